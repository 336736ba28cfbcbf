import { setTimeout as sleep } from 'node:timers/promises';
import { SourceContentError, SourceUnavailableError } from './import-source.ts';

/** Failures in a row, without a byte between them. */
const TRIES = 6;
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
  for (let failures = 0; ; ) {
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
      if (failures === TRIES) {
        throw new SourceUnavailableError(`the connection broke ${TRIES} times: ${reasonOf(error)}`, {
          cause: error,
        });
      }
      await sleep(FIRST_PAUSE * 2 ** failures * (0.5 + Math.random() / 2), undefined, { signal });
    }
  }
}

/** What a failed connection says; `fetch` hides it in the cause. */
export function reasonOf(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(inner instanceof Error)) return String(inner);
  const { code } = inner as NodeJS.ErrnoException;
  return inner.message || code || inner.name;
}
