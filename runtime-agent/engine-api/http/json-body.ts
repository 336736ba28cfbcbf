import type { IncomingMessage } from 'node:http';
import { EngineError } from '../../errors.ts';

const LIMIT = 1024 * 1024;

/** A JSON object as it came, fields unchecked. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Reads a request's JSON object of at most 1 MiB; none at all is an empty one, as with dockerd. Throws EngineError
 * 'bad-request' for another content type, a too large or malformed body, and JSON that is no object.
 */
export async function readJsonObject(request: IncomingMessage): Promise<JsonObject> {
  const type = request.headers['content-type'] ?? '';
  if (type === '' && hasNoBody(request)) return {};
  if (type.split(';')[0]?.trim().toLowerCase() !== 'application/json') {
    throw new EngineError(
      'bad-request',
      `unsupported Content-Type header (${type}): must be 'application/json'`,
    );
  }
  if (hasNoBody(request)) return {};
  const text = await readText(request);
  if (text.trim() === '') throw new EngineError('bad-request', 'invalid JSON: the request body is empty');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new EngineError('bad-request', `invalid JSON: ${(error as Error).message}`, { cause: error });
  }
  if (!isJsonObject(value)) throw new EngineError('bad-request', 'invalid JSON: expected an object');
  return value;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
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
