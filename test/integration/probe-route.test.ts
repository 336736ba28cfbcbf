import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { RouteSpec } from '../../fleet/service.ts';
import { probeRoute } from '../../runtime-agent/fleet/probe-route.ts';
import { defer } from '../support/cleanup.ts';
import { freePort } from '../support/free-port.ts';

const signal = new AbortController().signal;
const ADDRESS = '127.0.0.1';

function httpRoute(port: number, health?: string): RouteSpec {
  const route = { kind: 'http', host: 'shop.test', path: '/', port, tls: { kind: 'none' } } as const;
  return health === undefined ? route : { ...route, health };
}

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

test('an instance is ready when it answers 200 to 399 for the host of its route', async (t) => {
  const port = await startServer(t);
  const probe = (path: string) => probeRoute(httpRoute(port, path), ADDRESS, signal);
  for (const path of ['/host', '/204', '/302', '/long']) assert.equal(await probe(path), undefined, path);
  assert.equal(await probe('/404'), '/404 answers 404');
  assert.equal(await probe('/503'), '/503 answers 503');
  assert.match((await probe('/broken')) ?? '', /^\/broken of port \d+ does not answer \(HPE_/);
  assert.equal(await probe('/silent'), `/silent of port ${port} does not answer`);
});

test('without a health path, or of a TCP route, a port that accepts connections is enough', async (t) => {
  const port = await startServer(t);
  assert.equal(await probeRoute(httpRoute(port), ADDRESS, signal), undefined);
  assert.equal(await probeRoute({ kind: 'tcp', listen: 1, port }, ADDRESS, signal), undefined);
  const closed = await freePort();
  const reason = `port ${closed} does not answer (ECONNREFUSED)`;
  assert.equal(await probeRoute(httpRoute(closed), ADDRESS, signal), reason);
  assert.match((await probeRoute(httpRoute(closed, '/'), ADDRESS, signal)) ?? '', /ECONNREFUSED/);
});

test('a probe ends when its caller gives up', async (t) => {
  const port = await startServer(t);
  const interrupted = new AbortController();
  const waiting = probeRoute(httpRoute(port, '/silent'), ADDRESS, interrupted.signal);
  interrupted.abort();
  assert.equal(await waiting, `/silent of port ${port} does not answer`);
});
