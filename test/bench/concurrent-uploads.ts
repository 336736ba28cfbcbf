import { request } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { sendRequest } from '../support/http-client.ts';
import { pseudoRandomStream } from '../support/pseudo-random.ts';
import type { BenchServer, Measurement } from './measurement.ts';
import { residentBytes } from './resident-bytes.ts';
import { timed } from './timed.ts';

const CHUNK_SIZE = 256 * 1024;
const SAMPLE_EVERY_MS = 250;

/**
 * Sends `count` uploads of `size` bytes at once, none of which is committed, and looks at the server's memory: its
 * peak, and how much more it has on average in the last quarter of the time than in the second, when all have begun.
 */
export function measureConcurrentUploads(count: number, size: number): Measurement {
  return async (server, _round, signal) => {
    const chunk = await buffer(pseudoRandomStream(CHUNK_SIZE, 'uploads'));
    const samples: number[] = [];
    const timing = await timed(server, signal, async () => {
      let sending = true;
      const sampling = (async () => {
        while (sending) {
          samples.push(await residentBytes(server.process().pid));
          await sleep(SAMPLE_EVERY_MS, undefined, { signal });
        }
      })();
      try {
        await Promise.all(Array.from({ length: count }, () => sendAndCancel(server, chunk, size, signal)));
      } finally {
        sending = false;
      }
      await sampling;
    });
    const name = `${count} uploads at once`;
    return [
      { name, unit: 'MB/s', better: 'higher', value: (count * size) / 1e6 / timing.seconds },
      { name, unit: 'peak RSS MB', better: 'lower', value: timing.peakRssBytes / 1e6 },
      {
        name,
        unit: 'RSS growth MB',
        better: 'lower',
        value: (quarter(samples, 3) - quarter(samples, 1)) / 1e6,
      },
    ];
  };
}

async function sendAndCancel(
  server: BenchServer,
  chunk: Buffer,
  size: number,
  signal: AbortSignal,
): Promise<void> {
  const begun = await sendRequest(`${server.url}/v2/bench/uploads/blobs/uploads/`, {
    method: 'POST',
    body: '',
  });
  const session = new URL(begun.headers.location ?? '', server.url);
  function* chunks(): Generator<Buffer> {
    for (let left = size; left > 0; left -= CHUNK_SIZE) yield chunk.subarray(0, left);
  }
  const sent = request(session, {
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
        else reject(new Error(`PATCH ${session.href} answered ${response.statusCode}`));
      });
    });
  });
  await pipeline(Readable.from(chunks(), { objectMode: false, highWaterMark: CHUNK_SIZE }), sent);
  const location = new URL(await answered, server.url);
  await sendRequest(location.href, { method: 'DELETE' });
}

/** The mean of a quarter of the samples, counted from 0. */
function quarter(samples: readonly number[], index: number): number {
  const length = samples.length / 4;
  const part = samples.slice(Math.floor(index * length), Math.max(1, Math.ceil((index + 1) * length)));
  return part.reduce((sum, value) => sum + value, 0) / part.length;
}
