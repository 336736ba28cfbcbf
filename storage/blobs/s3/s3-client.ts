import { Readable } from 'node:stream';
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import { viaProxy } from '../../../lib/http/proxies/via-proxy.ts';
import type { S3Settings } from './s3-settings.ts';

type RetryStrategy = Extract<S3ClientConfig['retryStrategy'], { acquireInitialRetryToken: unknown }>;

const FIRST_DELAY = 100;
const LONGEST_DELAY = 3_000;
/** Milliseconds to connect, and until an answer begins: the second grows with the part that is sent. */
const CONNECT_TIME = 5_000;
const ANSWER_TIME = 60_000;
const LEAST_BYTES_PER_MS = 100;
const CONNECTIONS = 256;
/** Milliseconds, beside one silence, after which a failed request is not tried again: a gateway may be restarting. */
const PATIENCE = 15_000;

/**
 * Tries a request again as long as its failure may pass (no connection, a cut one or one that was silent for `silence`
 * milliseconds, 5xx, SlowDown, a clock that has just been corrected), with growing random delays, or the one that the
 * server asks for.
 */
export function patientRetries(silence: number): RetryStrategy {
  const tokenOf = (began: number, count: number, delay: number) => ({
    began,
    getRetryCount: () => count,
    getRetryDelay: () => delay,
  });
  return {
    acquireInitialRetryToken: async () => tokenOf(performance.now(), 0, 0),
    refreshRetryTokenForRetry: async (token, { errorType, retryAfterHint }) => {
      if (errorType === 'CLIENT_ERROR') throw new Error('what is wrong with the request stays wrong');
      const count = token.getRetryCount() + 1;
      const random = Math.random() * Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** count);
      const delay = Math.max(
        random,
        retryAfterHint === undefined ? 0 : retryAfterHint.getTime() - Date.now(),
      );
      const { began } = token as ReturnType<typeof tokenOf>;
      if (performance.now() + delay - began > silence + PATIENCE)
        throw new Error('the server has failed for too long');
      return tokenOf(began, count, delay);
    },
    recordSuccess: () => {},
  };
}

/** Bytes that are encrypted at once. */
const SLICE = 128 * 1024;

/**
 * Has requests send large content slice by slice, each when the one before is with the system: TLS encrypts what it is
 * given at once, and a part given whole would be there twice until it has left.
 */
export function sliceBodies(client: S3Client): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { readonly body?: unknown };
      const { body } = request;
      if (!(body instanceof Uint8Array) || body.byteLength <= SLICE) return next(args);
      // Of this try only: the next one begins with the content again.
      const sliced = Object.assign(Object.create(Object.getPrototypeOf(request)), request, {
        body: Readable.from(slicesOf(body), { objectMode: false, highWaterMark: SLICE }),
      });
      return next({ ...args, request: sliced });
    },
    { step: 'finalizeRequest', priority: 'low', name: 'sliceBodies' },
  );
}

function* slicesOf(body: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < body.byteLength; start += SLICE) yield body.subarray(start, start + SLICE);
}

/**
 * Has requests not sign the content that they send, which would be hashed once more for it: for connections that
 * protect it themselves (Amazon S3 API reference, "Authenticating Requests (AWS Signature Version 4)").
 */
export function leavePayloadUnsigned(client: S3Client): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { readonly headers: Record<string, string> };
      headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
      return next(args);
    },
    { step: 'build', name: 'leavePayloadUnsigned' },
  );
}

/** Returns the settings of a client of S3 at `endpoint`, Amazon's unless given. `silence` is in milliseconds. */
export function clientConfig(
  { region, pathStyle, partSize, proxy }: S3Settings,
  endpoint: string | undefined,
  silence: number,
): S3ClientConfig {
  const agent = { keepAlive: true, maxSockets: CONNECTIONS, ...viaProxy(proxy) };
  // Servers other than Amazon's have one region, whatever it is called.
  const regionOr = region ?? (endpoint === undefined ? undefined : 'us-east-1');
  return {
    forcePathStyle: pathStyle,
    // Ceph keeps what the newer checksums wrap a body in.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    retryStrategy: patientRetries(silence),
    requestHandler: {
      connectionTimeout: CONNECT_TIME,
      socketTimeout: silence,
      requestTimeout: ANSWER_TIME + partSize / LEAST_BYTES_PER_MS,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
    // What is to be expected first is sent over a connection that no proxy is asked for.
    ...(proxy !== undefined && { expectContinueHeader: false }),
    ...(regionOr !== undefined && { region: regionOr }),
    ...(endpoint !== undefined && { endpoint }),
  };
}
