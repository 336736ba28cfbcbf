import { requestIdHint } from '../../lib/http/request-id.ts';
import {
  connectionFailure,
  type DistributionError,
  type RegistryErrorDetail,
  readErrorBody,
} from './errors.ts';
import type { HttpResponse } from './http-exchange.ts';
import { readBody } from './read-body.ts';
import type { RegistrySession, SessionRequest } from './registry-session.ts';
import { isTransientStatus, retryAfter, TransientError } from './retry.ts';

/** Bytes of a refusal's body that are read. */
const MAX_ERROR_BODY = 64 << 10;

export interface Expectation {
  /** Statuses that count as success. */
  readonly statuses: readonly number[];
  /** Makes the error for any other answer. */
  readonly refusal: (response: HttpResponse, detail: RegistryErrorDetail) => DistributionError;
  /** Reports whether a retry may succeed; isTransientStatus by default. */
  readonly isTransient?: (status: number) => boolean;
}

/**
 * Sends a request and resolves with a successful answer. Otherwise throws the error of `refusal`, within a
 * TransientError if a retry may succeed. Throws what RegistrySession.send throws.
 */
export async function sendExpecting(
  session: RegistrySession,
  request: SessionRequest,
  { statuses, refusal, isTransient = isTransientStatus }: Expectation,
  signal: AbortSignal,
): Promise<HttpResponse> {
  const response = await session.send(request, signal);
  const { status, headers } = response;
  if (statuses.includes(status)) return response;
  const body = await readWhole(response, MAX_ERROR_BODY, signal);
  const { code, message } = readErrorBody(status, body?.toString('utf8') ?? '');
  const error = refusal(response, { code, message: `${message}${requestIdHint(status, headers)}` });
  if (!isTransient(status)) throw error;
  throw new TransientError(error, retryAfter(headers['retry-after'], Date.now()));
}

/**
 * Reads a whole body; returns undefined if it is longer than `limit` bytes. Throws TransientError if the connection
 * breaks, and the signal's reason.
 */
export async function readWhole(
  response: HttpResponse,
  limit: number,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  try {
    return await readBody(response, limit, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    throw new TransientError(connectionFailure(error, { method: 'GET', url: response.url }));
  }
}
