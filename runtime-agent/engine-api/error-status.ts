import { JsonError } from '../../lib/json/json-fields.ts';
import { type EngineErrorCode, isEngineError } from '../errors.ts';
import { storageFull } from '../storage-full.ts';

const STATUS: Readonly<Record<EngineErrorCode, number>> = {
  'bad-request': 400,
  unauthorized: 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  'not-modified': 304,
  'not-implemented': 501,
  unavailable: 503,
  // As dockerd: clients retry a pull after a 500, and attribute a 502 to a proxy.
  registry: 500,
  runtime: 500,
  'storage-full': 507,
};

/** The HTTP form of a failure. */
export interface ErrorAnswer {
  readonly status: number;
  readonly message: string;
  /** False for an unexpected failure, whose stack must be logged. */
  readonly expected: boolean;
}

/** The only table from failures to statuses and messages (Engine API, "Errors"). */
export function errorAnswer(error: unknown): ErrorAnswer {
  if (isEngineError(error)) {
    return { status: STATUS[error.code], message: error.message, expected: error.code !== 'runtime' };
  }
  const full = storageFull(error);
  if (full !== undefined) return errorAnswer(full);
  if (error instanceof JsonError) return { status: 400, message: error.message, expected: true };
  const message = error instanceof Error ? error.message : String(error);
  return { status: 500, message: `berth-agent failed unexpectedly: ${message}`, expected: false };
}

/** Returns the body of every error answer. */
export function errorBody(message: string): string {
  return `${JSON.stringify({ message })}\n`;
}
