import type { RequestOptions } from 'node:http';
import { http } from './node-http.ts';

/** A text to send. */
export interface TextRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Milliseconds for the whole request. */
  readonly timeout: number;
  readonly signal: AbortSignal;
}

/** Posts a text, and resolves with the status of the answer. Rejects with the connection's error, and when it is late. */
export function postText({ url, headers, body, timeout, signal }: TextRequest): Promise<number> {
  const length = String(Buffer.byteLength(body));
  const options: RequestOptions = {
    method: 'POST',
    headers: { ...headers, 'content-length': length },
    signal,
  };
  return new Promise((resolve, reject) => {
    // It is loaded only where it is used.
    const { request } = url.protocol === 'https:' ? process.getBuiltinModule('node:https') : http;
    const sent = request(url, options, (answer) => {
      answer.resume();
      answer.once('error', () => {});
      resolve(answer.statusCode ?? 0);
    });
    const late = setTimeout(() => sent.destroy(new Error(`${url.host} does not answer`)), timeout);
    sent.once('close', () => clearTimeout(late));
    sent.on('error', reject);
    sent.end(body);
  });
}
