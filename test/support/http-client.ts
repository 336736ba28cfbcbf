import { type Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { LONGEST_WAIT } from './longest-wait.ts';

export interface HttpRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream goes out chunked unless Content-Length is among the headers. */
  readonly body?: string | Uint8Array | Readable;
  readonly user?: { readonly name: string; readonly password: string };
  readonly signal?: AbortSignal;
  /** Milliseconds without a byte on the connection after which the call fails; LONGEST_WAIT unless given. */
  readonly idleTimeoutMs?: number;
  /** What keeps connections for more than one request; a connection of its own unless given. */
  readonly agent?: Agent;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/**
 * One HTTP request. The path of `url` goes out as it is written (fetch would
 * resolve `..` first), redirects are not followed, and every status is an answer. Rejects when the connection breaks.
 */
export function sendRequest(url: string, options: HttpRequest = {}): Promise<HttpAnswer> {
  const { origin, hostname, port } = new URL(url);
  const { user, body } = options;
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      host: hostname,
      port,
      path: url.slice(origin.length) || '/',
      method: options.method ?? 'GET',
      agent: options.agent ?? false,
      headers: {
        ...(user === undefined ? {} : { authorization: basicAuthorization(user.name, user.password) }),
        ...options.headers,
      },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      timeout: options.idleTimeoutMs ?? LONGEST_WAIT,
    });
    request.once('timeout', () => request.destroy(new Error(`no answer from ${url}`)));
    request.once('error', reject);
    request.once('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) request.end(body);
    else pipeline(body, request).catch(reject);
  });
}

/** The value of an Authorization header (RFC 7617). */
export function basicAuthorization(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
}
