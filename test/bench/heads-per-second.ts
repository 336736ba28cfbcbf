import { connect } from 'node:net';
import { MEDIA_TYPE } from '../support/oci-layout.ts';
import type { BenchServer, Measurement } from './measurement.ts';
import { timed } from './timed.ts';

const CONNECTIONS = 32;
const END_OF_HEAD = '\r\n\r\n';

/**
 * How many HEAD requests for `path` are answered a second over 32 connections. By sockets of this process: wrk waits
 * for the body that Content-Length tells of.
 */
export function measureHeads(name: string, path: string, seconds: number): Measurement {
  return async (server, _round, signal) => {
    const times: number[] = [];
    const timing = await timed(server, signal, async () => {
      const end = performance.now() + seconds * 1000;
      await Promise.all(Array.from({ length: CONNECTIONS }, () => askUntil(server, path, end, times)));
    });
    const p99 = times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.NaN;
    return [
      { name, unit: 'requests/s', better: 'higher', value: times.length / timing.seconds },
      { name, unit: 'p99 ms', better: 'lower', value: p99 },
      { name, unit: 'peak RSS MB', better: 'lower', value: timing.peakRssBytes / 1e6 },
    ];
  };
}

/** Asks again and again until the time `end`, and notes how long each answer took. */
function askUntil({ url }: BenchServer, path: string, end: number, times: number[]): Promise<void> {
  const { hostname, port, host } = new URL(url);
  const request = `HEAD ${path} HTTP/1.1\r\nHost: ${host}\r\nAccept: ${MEDIA_TYPE.ociManifest}\r\n\r\n`;
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    let head = '';
    let asked = 0;
    const ask = () => {
      asked = performance.now();
      socket.write(request);
    };
    socket.setEncoding('latin1');
    socket.once('connect', ask);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`${url} closed a connection`)));
    socket.on('data', (text: string) => {
      head += text;
      if (!head.endsWith(END_OF_HEAD)) return;
      if (!head.startsWith('HTTP/1.1 200 ')) socket.destroy(new Error(`${url}${path}: ${head}`));
      head = '';
      const now = performance.now();
      times.push(now - asked);
      if (now < end) {
        ask();
        return;
      }
      resolve();
      socket.destroy();
    });
  });
}
