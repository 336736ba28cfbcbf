import { createHash } from 'node:crypto';
import { Agent, request } from 'node:http';
import type { Measurement } from './measurement.ts';
import { timed } from './timed.ts';

const CLIENTS = 8;
const SMALLEST = 1024;
const LARGEST = 4096;

/** Pushes `count` blobs of 1 to 4 KiB by POST and PUT from eight clients, each with one connection that it keeps. */
export function measureSmallBlobs(count: number): Measurement {
  return async (server, round, signal) => {
    const blobs = Array.from({ length: count }, (_, index) => {
      const size = SMALLEST + ((index * 769) % (LARGEST - SMALLEST));
      const content = Buffer.alloc(size, `${server.name} ${round} ${index} `);
      return { content, digest: `sha256:${createHash('sha256').update(content).digest('hex')}` };
    });
    const uploads = `${server.url}/v2/bench/small/blobs/uploads/`;
    const timing = await timed(server, signal, async () => {
      const queue = blobs.values();
      const client = async () => {
        const agent = new Agent({ keepAlive: true, maxSockets: 1 });
        try {
          // The clients share one iterator, so each takes what is next.
          for (const { content, digest } of queue) {
            const begun = await send(agent, 'POST', uploads, Buffer.alloc(0), 202, signal);
            const url = new URL(begun, server.url);
            url.searchParams.append('digest', digest);
            await send(agent, 'PUT', url.href, content, 201, signal);
          }
        } finally {
          agent.destroy();
        }
      };
      await Promise.all(Array.from({ length: CLIENTS }, client));
    });
    return [
      { name: 'small blobs', unit: 'pushes/s', better: 'higher', value: count / timing.seconds },
      {
        name: 'small blobs',
        unit: 'server CPU ms/push',
        better: 'lower',
        value: (timing.cpuSeconds * 1000) / count,
      },
    ];
  };
}

/** Answers with the Location header. */
function send(
  agent: Agent,
  method: string,
  url: string,
  body: Buffer,
  expected: number,
  signal: AbortSignal,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/octet-stream', 'content-length': body.length };
    const sent = request(url, { method, agent, headers, signal });
    sent.once('error', reject);
    sent.once('response', (response) => {
      response.resume();
      response.once('error', reject);
      response.once('end', () => {
        if (response.statusCode === expected) resolve(response.headers.location ?? '');
        else reject(new Error(`${method} ${url} answered ${response.statusCode}, expected ${expected}`));
      });
    });
    sent.end(body);
  });
}
