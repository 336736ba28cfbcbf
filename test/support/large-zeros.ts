import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { basicAuthorization, type HttpRequest } from './http-client.ts';

/** A layer of 2 GiB that needs no disk space at the sender. */
export const ZEROS = {
  size: 2 * 1024 ** 3,
  digest: 'sha256:a7c744c13cc101ed66c29f672f92455547889cc586ce6d44fe76ae824958ea51',
} as const;

const CHUNK = Buffer.alloc(1024 * 1024);

export interface SecureClient {
  /** Answers the head; the body is the caller's to read. */
  send(
    method: string,
    path: string,
    body?: Readable,
    headers?: Readonly<Record<string, string>>,
  ): Promise<IncomingMessage>;
  close(): void;
}

/** Speaks HTTPS with `https://HOST`, whose certificate `authority` (a PEM file) must vouch for. */
export async function secureClient(
  host: string,
  authority: string,
  user?: NonNullable<HttpRequest['user']>,
): Promise<SecureClient> {
  const login = user === undefined ? {} : { authorization: basicAuthorization(user.name, user.password) };
  const agent = new Agent({ keepAlive: true, ca: await readFile(authority) });
  return {
    close: () => agent.destroy(),
    send: (method, path, body, headers = {}) =>
      new Promise((resolve, reject) => {
        const sent = request(`https://${host}${path}`, {
          method,
          agent,
          headers: { ...login, ...headers },
          timeout: 120_000,
        });
        sent.once('timeout', () => sent.destroy(new Error(`no answer to ${method} ${path}`)));
        sent.once('error', reject);
        sent.once('response', resolve);
        if (body === undefined) sent.end();
        else pipeline(body, sent).catch(reject);
      }),
  };
}

export function zeros(): Readable {
  return Readable.from(
    (function* () {
      for (let sent = 0; sent < ZEROS.size; sent += CHUNK.length) yield CHUNK;
    })(),
    { objectMode: false, highWaterMark: 4 * CHUNK.length },
  );
}
