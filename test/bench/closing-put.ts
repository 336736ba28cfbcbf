import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { sendRequest } from '../support/http-client.ts';
import type { BenchServer, Measurement } from './measurement.ts';

const CHUNK_SIZE = 1024 * 1024;
/** Milliseconds: a registry may copy the whole before it answers. */
const LONGEST = 600_000;

/** Sends an upload of `size` bytes by one PATCH, and measures the PUT without a body that ends it. */
export function measureClosingPut(size: number): Measurement {
  return async (server, round, signal) => {
    function* chunks(): Generator<Buffer> {
      const chunk = Buffer.alloc(CHUNK_SIZE, `${server.name} ${round} `);
      for (let left = size; left > 0; left -= CHUNK_SIZE) yield chunk.subarray(0, left);
    }
    const hash = createHash('sha256');
    for (const chunk of chunks()) hash.update(chunk);
    const location = await sendAll(server, size, chunks(), signal);
    location.searchParams.append('digest', `sha256:${hash.digest('hex')}`);
    const start = performance.now();
    const answer = await sendRequest(location.href, {
      method: 'PUT',
      body: '',
      signal,
      idleTimeoutMs: LONGEST,
    });
    const milliseconds = performance.now() - start;
    if (answer.status !== 201)
      throw new Error(`PUT ${location.href} answered ${answer.status}: ${answer.body}`);
    await sendRequest(new URL(answer.headers.location ?? '', server.url).href, { method: 'DELETE' });
    return [{ name: `closing PUT of ${size / 1e9} GB`, unit: 'ms', better: 'lower', value: milliseconds }];
  };
}

async function sendAll(
  server: BenchServer,
  size: number,
  chunks: Iterable<Buffer>,
  signal: AbortSignal,
): Promise<URL> {
  const begun = await sendRequest(`${server.url}/v2/bench/closing/blobs/uploads/`, {
    method: 'POST',
    body: '',
  });
  const sent = request(new URL(begun.headers.location ?? '', server.url), {
    method: 'PATCH',
    agent: false,
    signal,
    headers: { 'content-type': 'application/octet-stream', 'content-length': size },
  });
  const answered = new Promise<string>((resolve, reject) => {
    sent.once('error', reject);
    sent.once('response', (response) => {
      response.resume();
      response.once('end', () => {
        if (response.statusCode === 202) resolve(response.headers.location ?? '');
        else reject(new Error(`PATCH answered ${response.statusCode}`));
      });
    });
  });
  await pipeline(Readable.from(chunks, { objectMode: false }), sent);
  return new URL(await answered, server.url);
}
