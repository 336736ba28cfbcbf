import { setTimeout as sleep } from 'node:timers/promises';
import { SourceContentError, SourceUnavailableError } from './import-source.ts';

/** Failures in a row, without a byte between them. */
const TRIES = 6;
/** Connections for one read, however far each gets. */
const MOST_CONNECTIONS = 200;
const FIRST_PAUSE = 200;

/**
 * The bytes of something that lies elsewhere. `open` gives those from an offset on; when they break off, which is
 * an error of its iterable that is no SourceContentError, it is called again with where they ended.
 */
export async function* resumedRead(
  open: (offset: number) => Promise<AsyncIterable<Uint8Array>>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let offset = 0;
  for (let failures = 0, connections = 1; ; connections += 1) {
    try {
      for await (const chunk of await open(offset)) {
        offset += chunk.byteLength;
        failures = 0;
        yield chunk;
      }
      return;
    } catch (error) {
      signal.throwIfAborted();
      failures += 1;
      const isFinal = error instanceof SourceContentError || error instanceof SourceUnavailableError;
      if (isFinal) throw error;
      if (failures === TRIES || connections === MOST_CONNECTIONS) {
        const times = Math.max(failures, connections === MOST_CONNECTIONS ? connections : 0);
        throw new SourceUnavailableError(`the connection broke ${times} times: ${reasonOf(error)}`, {
          cause: error,
        });
      }
      await sleep(FIRST_PAUSE * 2 ** failures * (0.5 + Math.random() / 2), undefined, { signal });
    }
  }
}

/** Reasons that their own words do not tell, or not what to do about them. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no host of this name',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS: write http:// for plain HTTP',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS: write http:// for plain HTTP',
};
/** Of certificates that nobody here vouches for. */
const UNKNOWN_AUTHORITY = /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_)/;

/** What a failed connection says; `fetch` hides it in the cause. */
export function reasonOf(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(inner instanceof Error)) return String(inner);
  const { code = '' } = inner as NodeJS.ErrnoException;
  if (UNKNOWN_AUTHORITY.test(code)) {
    return `${inner.message}: name the authority of its certificate by NODE_EXTRA_CA_CERTS=FILE`;
  }
  return REASONS[code] ?? (inner.message || code || inner.name);
}
