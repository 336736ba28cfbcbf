import { Readable } from 'node:stream';
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import { viaProxy } from '../../../lib/http/proxies/via-proxy.ts';
import type { S3Settings } from './s3-settings.ts';

type RetryStrategy = Extract<S3ClientConfig['retryStrategy'], { acquireInitialRetryToken: unknown }>;

const FIRST_DELAY = 100;
const LONGEST_DELAY = 3_000;
/** Milliseconds to connect, and until an answer begins; the second grows with the size of the part. */
const CONNECT_TIME = 5_000;
const ANSWER_TIME = 60_000;
const LEAST_BYTES_PER_MS = 100;
const CONNECTIONS = 256;
/**
 * Milliseconds, in addition to one silence, after which a failed request is not retried: a gateway may be restarting.
 */
const PATIENCE = 15_000;

/**
 * Retries a request while its failure may be temporary (no connection, a broken one or one that was silent for
 * `silence` milliseconds, 5xx, SlowDown, a corrected clock), with growing random delays, or the delay that the server
 * requests.
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
      if (errorType === 'CLIENT_ERROR')
        throw new Error('the request itself is wrong, so a retry cannot succeed');
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
 * Sends large bodies slice by slice, each after the system has accepted the previous one: TLS encrypts its input at
 * once, so a whole part would be in memory twice.
 */
export function sliceBodies(client: S3Client): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { readonly body?: unknown };
      const { body } = request;
      if (!(body instanceof Uint8Array) || body.byteLength <= SLICE) return next(args);
      // For this attempt only: the next one starts from the beginning.
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
 * Leaves the content of requests unsigned, which would require another hash of it: for connections that protect it
 * themselves (Amazon S3 API reference, "Authenticating Requests (AWS Signature Version 4)").
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
  // Servers other than Amazon's have one region, whatever its name.
  const regionOr = region ?? (endpoint === undefined ? undefined : 'us-east-1');
  return {
    forcePathStyle: pathStyle,
    // Ceph would store the encoding in which newer checksums wrap a body.
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
    // The first expected answer is awaited on a connection that uses no proxy.
    ...(proxy !== undefined && { expectContinueHeader: false }),
    ...(regionOr !== undefined && { region: regionOr }),
    ...(endpoint !== undefined && { endpoint }),
  };
}
