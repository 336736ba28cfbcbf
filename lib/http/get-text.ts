import type { IncomingMessage } from 'node:http';
import { readAtMost } from '../streams/read-at-most.ts';
import { http } from './node-http.ts';

/** Where a program answers by HTTP. */
export type HttpPlace = { readonly host: string; readonly port: number } | { readonly socketPath: string };

/** Gets a text of at most `limit` bytes. Rejects unless the answer is a success, and with the connection's error. */
export async function getText(
  place: HttpPlace,
  path: string,
  limit: number,
  signal: AbortSignal,
): Promise<string> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    http.get({ ...place, path, signal, agent: false }, resolve).once('error', reject);
  });
  const bytes = await readAtMost(answer, limit);
  if (answer.statusCode !== 200) throw new Error(`the status is ${answer.statusCode}`);
  if (bytes === undefined) throw new Error(`the answer has more than ${limit} bytes`);
  return bytes.toString('utf8');
}
