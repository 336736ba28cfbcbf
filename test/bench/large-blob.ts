import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { sendRequest } from '../support/http-client.ts';
import { pseudoRandomStream } from '../support/pseudo-random.ts';
import type { BenchServer, Figure, Measurement } from './measurement.ts';
import { type Timing, timed } from './timed.ts';

const CHUNK_SIZE = 1024 * 1024;
const REPOSITORY = 'bench/large';
const CLIENTS = 8;

interface LargeBlob {
  readonly digest: string;
  readonly size: number;
  chunks(): Generator<Buffer>;
}

/** Pushes a blob of `size` bytes by POST and one PUT, then pulls it, once and by eight clients at once. The first piece makes it another one each round. */
export function measureLargeBlob(size: number): Measurement {
  return async (server, round, signal) => {
    const blob = await makeBlob(size, `${server.name} ${round}`);
    const session = await beginUpload(server, blob.digest);
    const put = await timed(server, signal, () => putBlob(session, blob, signal));
    const url = `${server.url}/v2/${REPOSITORY}/blobs/${blob.digest}`;
    const get = await timed(server, signal, () => getAndDiscard(url, size, signal));
    const getMany = await timed(server, signal, async () => {
      await Promise.all(Array.from({ length: CLIENTS }, () => getAndDiscard(url, size, signal)));
    });
    // Or the disk would fill with the rounds.
    await sendRequest(url, { method: 'DELETE' });
    return [
      ...figuresOf('blob PUT', size, put),
      ...figuresOf('blob GET', size, get),
      ...figuresOf(`blob GET, ${CLIENTS} clients`, size * CLIENTS, getMany),
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

/** Reads the answer into one buffer over and over, so that the client costs as little as it can. */
function getAndDiscard(url: string, size: number, signal: AbortSignal): Promise<void> {
  const { hostname, port, pathname, host } = new URL(url);
  return new Promise((resolve, reject) => {
    let head: string | undefined = '';
    let received = 0;
    const socket = connect({
      host: hostname,
      port: Number(port),
      signal,
      onread: {
        buffer: Buffer.allocUnsafe(CHUNK_SIZE),
        callback: (length, bytes) => {
          received += length;
          if (head !== undefined) {
            head += Buffer.from(bytes).toString('latin1', 0, length);
            const end = head.indexOf('\r\n\r\n');
            if (end !== -1) {
              received = head.length - end - 4;
              if (!head.startsWith('HTTP/1.1 200'))
                socket.destroy(new Error(`${url}: ${head.slice(0, end)}`));
              head = undefined;
            }
          }
          if (head === undefined && received >= size) {
            socket.destroy();
            resolve();
          }
          return true;
        },
      },
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`${url} ended after ${received} of ${size} bytes`)));
    socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  });
}
