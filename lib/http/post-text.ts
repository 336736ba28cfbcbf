import type { RequestOptions } from 'node:http';
import { http, https } from './node-http.ts';

/** A text to send. */
export interface TextRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Bounds the whole request. */
  readonly signal: AbortSignal;
  /** How the server is reached; by default a connection of its own to the address of its name. */
  readonly way?: Pick<RequestOptions, 'agent' | 'lookup'>;
}

/**
 * Posts a text. Resolves with the status of the answer, as soon as that is known; its body is not read. Rejects with the
 * error of the connection, an Error when that closes without an answer, and the signal's AbortError.
 */
export function postText({ url, headers, body, signal, way }: TextRequest): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const { request } = url.protocol === 'https:' ? https() : http;
  const length = String(Buffer.byteLength(body));
  const sent = request(url, {
    method: 'POST',
    headers: { ...headers, 'Content-Length': length },
    agent: false,
    signal,
    ...way,
  });
  sent.on('error', reject);
  sent.on('response', (response) => {
    resolve(response.statusCode ?? 0);
    response.on('error', () => {});
    sent.destroy();
  });
  // Node reports a switch of protocols (101) neither as a response nor as an error.
  sent.on('upgrade', (response, socket) => {
    resolve(response.statusCode ?? 0);
    socket.destroy();
  });
  sent.on('close', () => reject(new Error('the connection was closed without an answer')));
  sent.end(body);
  return promise;
}
