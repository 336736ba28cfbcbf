import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { probeRoute } from '../../runtime-agent/fleet/ingress/probe-route.ts';
import { defer } from '../support/cleanup.ts';
import { freePort } from '../support/free-port.ts';

const signal = new AbortController().signal;
const target = { address: '127.0.0.1', host: 'shop.test' };

async function startServer(t: TestContext): Promise<number> {
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    if (path === '/silent') return;
    if (path === '/broken') {
      request.socket.end('nonsense\r\n\r\n');
      return;
    }
    if (path === '/long') {
      response.write('an endless body');
      return;
    }
    const status =
      path === '/host' ? (request.headers.host === 'shop.test' ? 200 : 404) : Number(path.slice(1));
    response.writeHead(status, { location: '/elsewhere' }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  defer(t, () => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test('an instance is healthy when it answers 200 to 399 for the host of its route', async (t) => {
  const port = await startServer(t);
  const probe = (path: string) => probeRoute({ ...target, port, path }, signal);
  for (const path of ['/host', '/204', '/302', '/long']) {
    assert.deepEqual(await probe(path), { healthy: true }, path);
  }
  assert.deepEqual(await probe('/404'), { healthy: false, reason: 'it answers 404' });
  assert.deepEqual(await probe('/503'), { healthy: false, reason: 'it answers 503' });
  assert.equal((await probe('/broken')).healthy, false);
  assert.deepEqual(await probe('/silent'), { healthy: false, reason: 'no answer within 5000 ms' });
});

test('nobody listens: not healthy; the caller gives up: rejected', async (t) => {
  const probe = { ...target, port: await freePort(), path: '/' };
  assert.deepEqual(await probeRoute(probe, signal), { healthy: false, reason: 'ECONNREFUSED' });
  const port = await startServer(t);
  const interrupted = new AbortController();
  const waiting = probeRoute({ ...target, port, path: '/silent' }, interrupted.signal);
  interrupted.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  await assert.rejects(probeRoute({ ...target, port, path: '/200' }, interrupted.signal), /enough/);
});
