import { TarFormatError } from '../../../lib/tar/tar-header.ts';
import { type TarEntry, TarParser } from '../../../lib/tar/tar-parser.ts';
import { EngineError } from '../../errors.ts';

/** An entry of a tar with its content, which may be read in part or not at all. */
export interface StreamedEntry {
  readonly entry: TarEntry;
  readonly body: AsyncIterable<Uint8Array>;
}

type Event = { readonly entry: TarEntry } | { readonly data: Uint8Array };

/**
 * Yields the entries of a tar stream in order. The body of one ends when the next is requested. Memory is bounded.
 * Throws EngineError 'bad-request' for an invalid or incomplete tar.
 */
export async function* tarEntries(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<StreamedEntry> {
  const events: Event[] = [];
  const parser = new TarParser({
    entry: (entry) => events.push({ entry }),
    data: (data) => events.push({ data }),
  });
  const chunks = source[Symbol.asyncIterator]();
  let ended = false;
  const next = async (): Promise<Event | undefined> => {
    while (events.length === 0 && !ended) {
      const { done, value } = await chunks.next();
      signal.throwIfAborted();
      try {
        if (done) {
          ended = true;
          parser.finish();
        } else parser.push(value);
      } catch (error) {
        if (!(error instanceof TarFormatError)) throw error;
        throw new EngineError('bad-request', `the archive is not a valid tar: ${error.message}`, {
          cause: error,
        });
      }
    }
    return events.shift();
  };
  try {
    for (let event = await next(); event !== undefined; event = await next()) {
      if (!('entry' in event)) continue;
      const { entry } = event;
      let left = entry.size;
      const body = async function* () {
        while (left > 0) {
          const part = await next();
          if (part === undefined || !('data' in part)) throw new Error('a tar was read by two at once');
          left -= part.data.length;
          yield part.data;
        }
      };
      yield { entry, body: body() };
      // Skip the unread rest.
      for await (const _ of body());
    }
  } finally {
    await chunks.return?.();
  }
}
