import type { IncomingMessage } from 'node:http';
import { isJsonObject, JsonError, JsonFields, parseJson } from '../../../lib/json/json-fields.ts';
import { checkEntries } from '../../bounds.ts';
import { EngineError } from '../../errors.ts';

const LIMIT = 1024 * 1024;

/**
 * Reads a request's JSON object of at most 1 MiB; none at all is an empty one, as with dockerd. Throws EngineError
 * 'bad-request' for another content type, a too large body and too many entries (bounds.ts), JsonError for a body that is no object.
 */
export async function readJsonBody(request: IncomingMessage): Promise<JsonFields> {
  checkType(request);
  return readFields(request);
}

/** As readJsonBody, of a JSON array. */
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

/** As readJsonBody, of a route that looks at no content type. */
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
