import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { Worker } from 'node:worker_threads';
import { sendRequest } from '../support/http-client.ts';
import { pseudoRandomStream } from '../support/pseudo-random.ts';
import type { BlobReaders } from './blob-readers.ts';
import { getAndDiscard } from './get-and-discard.ts';
import type { BenchServer, Figure, Measurement } from './measurement.ts';
import { type Timing, timed } from './timed.ts';

const CHUNK_SIZE = 1024 * 1024;
const REPOSITORY = 'bench/large';
const CLIENTS = 8;
/** One thread alone would be slower than the servers. */
const CLIENT_THREADS = 2;

interface LargeBlob {
  readonly digest: string;
  readonly size: number;
  chunks(): Generator<Buffer>;
}

/**
 * Pushes a blob of `size` bytes by POST and one PUT, then pulls it, once and by eight clients at once, unless told
 * otherwise. The first piece makes it another one each round.
 */
export function measureLargeBlob(size: number, { many = true } = {}): Measurement {
  return async (server, round, signal) => {
    const blob = await makeBlob(size, `${server.name} ${round}`);
    const session = await beginUpload(server, blob.digest);
    const put = await timed(server, signal, () => putBlob(session, blob, signal));
    const url = `${server.url}/v2/${REPOSITORY}/blobs/${blob.digest}`;
    const get = await timed(server, signal, () => getAndDiscard(url, size, signal));
    const getMany =
      many &&
      (await timed(server, signal, async () => {
        await Promise.all(Array.from({ length: CLIENT_THREADS }, () => getInThread(url, size, signal)));
      }));
    // Or the disk would fill with the rounds.
    await sendRequest(url, { method: 'DELETE' });
    return [
      ...figuresOf('blob PUT', size, put),
      ...figuresOf('blob GET', size, get),
      ...(getMany === false ? [] : figuresOf(`blob GET, ${CLIENTS} clients`, size * CLIENTS, getMany)),
    ];
  };
}

function figuresOf(name: string, size: number, timing: Timing): readonly Figure[] {
  return [
    { name, unit: 'MB/s', better: 'higher', value: size / 1e6 / timing.seconds },
    { name, unit: 'server CPU s/GB', better: 'lower', value: timing.cpuSeconds / (size / 1e9) },
    { name, unit: 'peak RSS MB', better: 'lower', value: timing.peakRssBytes / 1e6 },
  ];
}

async function makeBlob(size: number, seed: string): Promise<LargeBlob> {
  const [first, others] = await Promise.all(
    [seed, 'others'].map((text) => buffer(pseudoRandomStream(CHUNK_SIZE, text))),
  );
  if (first === undefined || others === undefined) throw new Error('no content was made');
  function* chunks(): Generator<Buffer> {
    for (let left = size; left > 0; left -= CHUNK_SIZE) {
      yield (left === size ? (first as Buffer) : (others as Buffer)).subarray(0, left);
    }
  }
  const hash = createHash('sha256');
  for (const chunk of chunks()) hash.update(chunk);
  return { digest: `sha256:${hash.digest('hex')}`, size, chunks };
}

async function beginUpload(server: BenchServer, digest: string): Promise<URL> {
  const begun = await sendRequest(`${server.url}/v2/${REPOSITORY}/blobs/uploads/`, {
    method: 'POST',
    body: '',
  });
  const session = new URL(begun.headers.location ?? '', server.url);
  session.searchParams.append('digest', digest);
  return session;
}

async function putBlob(session: URL, blob: LargeBlob, signal: AbortSignal): Promise<void> {
  const sent = request(session, {
    method: 'PUT',
    agent: false,
    signal,
    headers: { 'content-type': 'application/octet-stream', 'content-length': blob.size },
  });
  const answered = new Promise<number>((resolve, reject) => {
    sent.once('response', (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    });
    sent.once('error', reject);
  });
  await pipeline(Readable.from(blob.chunks(), { objectMode: false }), sent);
  const status = await answered;
  if (status !== 201) throw new Error(`PUT ${session.href} answered ${status}`);
}

/** Its part of the clients at once, in a thread of its own. */
function getInThread(url: string, size: number, signal: AbortSignal): Promise<void> {
  const workerData: BlobReaders = { url, size, count: CLIENTS / CLIENT_THREADS };
  const worker = new Worker(new URL('./blob-readers.ts', import.meta.url), { workerData });
  const stop = () => void worker.terminate();
  signal.addEventListener('abort', stop, { once: true });
  return new Promise<void>((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`a thread of clients ended with ${code}`)),
    );
  }).finally(() => signal.removeEventListener('abort', stop));
}
