import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { Context } from 'koa';
import { isJsonObject, JsonError, JsonFields, parseJson } from '../../../lib/json/json-fields.ts';
import { Pace } from '../../../lib/sync/pace.ts';
import { checkEntries } from '../../bounds.ts';
import { EngineError } from '../../errors.ts';

const LIMIT = 1024 * 1024;

/**
 * Reads a request's JSON object of at most 1 MiB; an empty body is an empty object, as with dockerd. Throws EngineError
 * 'bad-request' for another content type, an oversized body and too many entries (bounds.ts), JsonError for a body that
 * is not an object.
 */
export async function readJsonBody(request: IncomingMessage): Promise<JsonFields> {
  checkType(request);
  return readFields(request);
}

/** Like readJsonBody, for a JSON array. */
export async function readJsonList(request: IncomingMessage): Promise<readonly unknown[]> {
  checkType(request);
  const value = (await readValue(request)) ?? [];
  if (!Array.isArray(value)) throw new JsonError('invalid JSON: expected an array');
  return value;
}

function checkType(request: IncomingMessage): void {
  const type = request.headers['content-type'] ?? '';
  if (type === '' && hasNoBody(request)) return;
  if (type.split(';')[0]?.trim().toLowerCase() === 'application/json') return;
  const why = `unsupported Content-Type header (${type}): must be 'application/json'`;
  throw new EngineError('bad-request', why);
}

/** Like readJsonBody, for a route that ignores the content type. */
export async function readFields(request: IncomingMessage): Promise<JsonFields> {
  const value = await readValue(request);
  if (value !== null && !isJsonObject(value)) throw new JsonError('invalid JSON: expected an object');
  return new JsonFields(value);
}

async function readValue(request: IncomingMessage): Promise<unknown> {
  if (hasNoBody(request)) return null;
  const text = await readText(request);
  if (text.trim() === '')
    throw new EngineError('bad-request', 'invalid JSON: got EOF while reading request body');
  const value = parseJson(text, 'invalid JSON');
  checkEntries(value);
  return value;
}

function hasNoBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  // The socket must stay usable for the answer, so leaving the loop early must not destroy the request.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += (chunk as Buffer).length;
    if (size > LIMIT) {
      throw new EngineError('bad-request', `the request body is larger than ${LIMIT} bytes`);
    }
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Characters that are buffered before an answer is sent: smaller answers have a length, and errors have a status. */
const GATHERED = 64 << 10;
/** Characters that are produced in one turn of the event loop: about a millisecond. */
const CHARACTERS_PER_TURN = 256 << 10;
/** Minimum number of labels whose JSON text is cached. */
const MANY = 64;

/** Cached JSON texts of large immutable maps, shared by all answers while the map is in memory. */
const texts = new WeakMap<object, string>();

/**
 * Answers 200 with JSON that is produced in pieces, with backpressure; other requests run in between. An error within
 * the first 64 KiB is the answer; a later one cuts the connection.
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

/** Yields the JSON text of a list, item by item. */
export async function* jsonList(items: Iterable<object> | AsyncIterable<object>): AsyncGenerator<string> {
  let before = '[';
  for await (const item of items) {
    yield before;
    yield* jsonItem(item);
    before = ',';
  }
  yield before === '[' ? '[]' : ']';
}

/** Encodes an object. Large label maps are encoded once for all answers, so they must not change. */
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

/** Yields pieces of limited length, with turns of the event loop between them. */
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
 * Answers 200 with the chunks as they are produced. The headers are sent at once: `docker run` and `docker events` wait
 * for them.
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
