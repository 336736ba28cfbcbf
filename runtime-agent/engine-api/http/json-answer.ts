import { Readable } from 'node:stream';
import type { Context } from 'koa';
import { Pace } from '../../../lib/sync/pace.ts';

/** Characters of an answer that are gathered before it is sent: smaller answers have a length, and errors a status. */
const GATHERED = 64 << 10;
/** Characters that are made in one turn of the event loop: about a millisecond. */
const CHARACTERS_PER_TURN = 256 << 10;
/** Labels from this number on have their text kept. */
const MANY = 64;

/** JSON texts of large maps that never change. All answers share one text as long as the map is in memory. */
const texts = new WeakMap<object, string>();

/**
 * Answers 200 with JSON that comes in pieces. What the client has not taken yet is not made, and other requests run between the
 * pieces. An error of the first 64 KiB is the answer; a later one cuts the connection.
 */
export async function answerJson(ctx: Context, pieces: AsyncIterable<string>): Promise<void> {
  const paced = pacedSlices(pieces);
  const first: string[] = [];
  let length = 0;
  let next = await paced.next();
  for (; !next.done && length < GATHERED; next = await paced.next()) {
    first.push(next.value);
    length += next.value.length;
  }
  ctx.status = 200;
  if (next.done) {
    ctx.body = first.join('');
  } else {
    const pending = next.value;
    ctx.body = Readable.from(
      (async function* () {
        yield first.join('');
        yield pending;
        yield* paced;
      })(),
      { objectMode: false },
    );
  }
  ctx.set('Content-Type', 'application/json');
}

/** The JSON text of a list, item by item. */
export async function* jsonList(items: Iterable<object> | AsyncIterable<object>): AsyncGenerator<string> {
  let before = '[';
  for await (const item of items) {
    yield before;
    yield* jsonItem(item);
    before = ',';
  }
  yield before === '[' ? '[]' : ']';
}

/** The JSON text of an object. Labels that are many are made to text once for all answers: they must not change. */
function* jsonItem(item: object): Generator<string> {
  const { Labels: labels, ...others } = item as { readonly Labels?: object | null };
  if (!labels || Object.keys(labels).length < MANY) {
    yield JSON.stringify(item);
    return;
  }
  const text = texts.get(labels) ?? JSON.stringify(labels);
  texts.set(labels, text);
  const rest = JSON.stringify(others);
  yield `${rest.slice(0, -1)}${rest === '{}' ? '' : ','}"Labels":`;
  yield text;
  yield '}';
}

/** Pieces of limited length, with turns of the event loop between them. */
async function* pacedSlices(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  const pace = new Pace(CHARACTERS_PER_TURN);
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; at += GATHERED) {
      const slice = piece.slice(at, at + GATHERED);
      yield slice;
      await pace.after(slice.length);
    }
  }
}

/**
 * Answers 200 with what `chunks` yields, written as it comes. The headers leave at once: `docker run` and
 * `docker events` wait for them before they go on.
 */
export function streamBody(
  ctx: Context,
  contentType: string,
  chunks: AsyncIterable<Uint8Array | string>,
): void {
  ctx.status = 200;
  ctx.set('Content-Type', contentType);
  ctx.body = Readable.from(chunks, { objectMode: false });
  ctx.set('Content-Type', contentType);
  ctx.flushHeaders();
}
