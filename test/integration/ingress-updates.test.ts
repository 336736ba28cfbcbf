import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { IngressError } from '../../runtime-agent/fleet/ingress/ingress.ts';
import { defer } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { sendRequest } from '../support/http-client.ts';
import {
  type IngressPlace,
  makeIngressPlace,
  openIngress,
  plainRoute,
  proxyPids,
  ready,
  startIngress,
} from '../support/ingress.ts';
import { openWebSocket, startSteadyClients } from '../support/steady-clients.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { startWebBackend, type WebBackend } from '../support/web-backend.ts';

const signal = new AbortController().signal;
const HOST = 'shop.test';

async function backendOf(url: string): Promise<string | undefined> {
  const { headers } = await sendRequest(url, { headers: { host: HOST } });
  return headers['x-backend']?.toString();
}

test('50 updates lose no request of kept connections and cut no WebSocket', {
  skip: unlessRoot(),
}, async (t) => {
  const { ingress, url, folder } = await startIngress(t);
  const pids = await proxyPids(folder);
  const first = await startWebBackend(t, 'first');
  const other = await startWebBackend(t, 'other');
  const others = plainRoute('other.test', [other]);
  await ingress.setRoutes([plainRoute(HOST, [first]), others]);
  const clients = startSteadyClients(t, url, HOST);
  const sockets = await Promise.all([
    ...Array.from({ length: 5 }, () => openWebSocket(t, url, HOST)),
    ...Array.from({ length: 5 }, () => openWebSocket(t, url, 'other.test')),
  ]);
  let current: WebBackend = first;
  for (let update = 1; update <= 50; update += 1) {
    const next = await startWebBackend(t, `release-${update}`);
    assert.deepEqual(await ingress.setRoutes([plainRoute(HOST, [next]), others]), []);
    // The first one keeps its WebSockets, so it is not stopped.
    if (current !== first) {
      assert.deepEqual(await ingress.drained(current, { timeout: 10_000 }, signal), { cut: 0 });
      await current.stop();
    }
    current = next;
  }
  await clients.stop();
  assert.deepEqual([...clients.failed], []);
  assert.equal(clients.answered.size, 51);
  for (const [index, socket] of sockets.entries()) {
    assert.equal(await socket.echo('still here'), `${index < 5 ? 'first' : 'other'}: still here`);
  }
  assert.deepEqual(await proxyPids(folder), pids);
});

test('a WebSocket lives until the grace ends and is cut then', { skip: unlessRoot() }, async (t) => {
  const { ingress, url } = await startIngress(t);
  const [old, next] = [await startWebBackend(t, 'old'), await startWebBackend(t, 'next')];
  await ingress.setRoutes([plainRoute(HOST, [old])]);
  const socket = await openWebSocket(t, url, HOST);
  await assert.rejects(ingress.drained(old, { timeout: 10 }, signal), IngressError);
  await ingress.setRoutes([
    { ...plainRoute(HOST, [next]), backends: [ready(next), { ...ready(old), state: 'draining' }] },
  ]);
  const interrupted = new AbortController();
  const waiting = ingress.drained(old, { timeout: 60_000 }, interrupted.signal);
  assert.equal(await socket.echo('one'), 'old: one');
  interrupted.abort(new Error('enough'));
  await assert.rejects(waiting, /enough|aborted/);
  assert.equal(await socket.echo('two'), 'old: two');
  await ingress.setRoutes([plainRoute(HOST, [next])]);
  assert.deepEqual(await ingress.drained(old, { timeout: 100 }, signal), { cut: 1 });
  await eventually('the WebSocket is cut', () => (socket.isOpen ? undefined : true));
  assert.deepEqual(await ingress.drained(old, { timeout: 0 }, signal), { cut: 0 });
  // The same address may be used again.
  await ingress.setRoutes([plainRoute(HOST, [old])]);
  assert.equal(await backendOf(url), 'old');
});

test('an update waits for a slow request', { skip: unlessRoot() }, async (t) => {
  const { ingress, url } = await startIngress(t);
  const [old, next] = [await startWebBackend(t, 'old'), await startWebBackend(t, 'next')];
  await ingress.setRoutes([plainRoute(HOST, [old])]);
  const slow = backendOf(`${url}/?ms=1500`);
  let isAnswered = false;
  void slow.then(() => {
    isAnswered = true;
  });
  await eventually('the request has arrived', () => (old.requests() > 0 ? true : undefined));
  await ingress.setRoutes([plainRoute(HOST, [next])]);
  assert.equal(await backendOf(url), 'next');
  assert.equal(isAnswered, false);
  assert.deepEqual(await ingress.drained(old, { timeout: 30_000 }, signal), { cut: 0 });
  assert.equal(await slow, 'old');
});

test('a TCP port is led to a backend; adding one replaces the proxy and loses nothing', {
  skip: unlessRoot(),
}, async (t) => {
  const { ingress, url, folder } = await startIngress(t);
  const [web, tcp, tcpNext] = await Promise.all(
    ['web', 'tcp', 'next'].map((name) => startWebBackend(t, name)),
  );
  assert.ok(web && tcp && tcpNext);
  await ingress.setRoutes([plainRoute(HOST, [web])]);
  const clients = startSteadyClients(t, url, HOST);
  const socket = await openWebSocket(t, url, HOST);
  const port = await freePort();
  for (let round = 0; round < 5; round += 1) {
    await ingress.setRoutes([plainRoute(HOST, [web]), { kind: 'tcp', port, backends: [ready(tcp)] }]);
    assert.equal(await backendOf(`http://127.0.0.1:${port}`), 'tcp');
    await ingress.setRoutes([plainRoute(HOST, [web]), { kind: 'tcp', port, backends: [ready(tcpNext)] }]);
    assert.equal(await backendOf(`http://127.0.0.1:${port}`), 'next');
    await ingress.setRoutes([plainRoute(HOST, [web])]);
    await assert.rejects(sendRequest(`http://127.0.0.1:${port}`), /ECONNREFUSED/);
  }
  await clients.stop();
  assert.deepEqual([...clients.failed], []);
  assert.equal(await socket.echo('still here'), 'web: still here');
  // The process that had the WebSocket when it was replaced counts as well.
  const next = await startWebBackend(t, 'release-2');
  await ingress.setRoutes([plainRoute(HOST, [next])]);
  assert.deepEqual(await ingress.drained(web, { timeout: 100 }, signal), { cut: 1 });
  await eventually('the replaced processes end', async () =>
    (await proxyPids(folder))?.old.length === 0 ? true : undefined,
  );
});

test('a proxy that is killed is started again with its routes', { skip: unlessRoot() }, async (t) => {
  const { ingress, url, folder } = await startIngress(t);
  const backend = await startWebBackend(t, 'one');
  await ingress.setRoutes([plainRoute(HOST, [backend])]);
  for (const which of ['worker', 'master', 'worker'] as const) {
    const before = await proxyPids(folder);
    process.kill(before?.[which] ?? 0, 'SIGKILL');
    await eventually('another proxy runs', async () => {
      const now = await proxyPids(folder);
      return now !== undefined && now.master !== before?.master ? true : undefined;
    });
    assert.equal(await backendOf(url), 'one');
  }
  await ingress.setRoutes([plainRoute(HOST, [])]);
  assert.equal(await backendOf(url), undefined);
});

test('the owner is killed: traffic goes on, and the next owner adopts the proxy', {
  skip: unlessRoot(),
}, async (t) => {
  const place = await makeIngressPlace(t);
  const [one, two] = [await startWebBackend(t, 'one'), await startWebBackend(t, 'two')];
  const owner = await startOwner(t, place);
  await owner.setRoutes([plainRoute(HOST, [one])]);
  const url = `http://127.0.0.1:${place.plainPort}`;
  const clients = startSteadyClients(t, url, HOST);
  const socket = await openWebSocket(t, url, HOST);
  const pids = await proxyPids(place.folder);
  await owner.kill();
  assert.equal(await backendOf(url), 'one');
  const ingress = openIngress(place);
  await ingress.start(signal);
  defer(t, () => ingress.close());
  assert.equal(await backendOf(url), 'one');
  await ingress.setRoutes([plainRoute(HOST, [two])]);
  assert.equal(await backendOf(url), 'two');
  await clients.stop();
  assert.deepEqual([...clients.failed], []);
  assert.equal(await socket.echo('still here'), 'one: still here');
  assert.deepEqual(await proxyPids(place.folder), pids);
  assert.deepEqual(await ingress.drained(one, { timeout: 0 }, signal), { cut: 1 });
});

test('owner and proxy are killed: the next owner serves the same routes at once', {
  skip: unlessRoot(),
}, async (t) => {
  const place = await makeIngressPlace(t);
  const one = await startWebBackend(t, 'one');
  const owner = await startOwner(t, place);
  await owner.setRoutes([plainRoute(HOST, [one])]);
  const pids = await proxyPids(place.folder);
  await owner.kill();
  process.kill(pids?.master ?? 0, 'SIGKILL');
  await eventually('the proxy is gone', async () =>
    (await proxyPids(place.folder)) === undefined ? true : undefined,
  );
  const ingress = openIngress(place);
  await ingress.start(signal);
  assert.equal(await backendOf(`http://127.0.0.1:${place.plainPort}`), 'one');
  await ingress.stop();
  await assert.rejects(sendRequest(`http://127.0.0.1:${place.plainPort}`), /ECONNREFUSED/);
});

test('an owner that is killed while it sets routes leaves a proxy that the next one brings to any set', {
  skip: unlessRoot(),
}, async (t) => {
  const place = await makeIngressPlace(t);
  const [one, two] = [await startWebBackend(t, 'one'), await startWebBackend(t, 'two')];
  const url = `http://127.0.0.1:${place.plainPort}`;
  const many = (backend: WebBackend, count: number) =>
    Array.from({ length: count }, (_, index) => plainRoute(index === 0 ? HOST : `h${index}.test`, [backend]));
  const port = await freePort();
  for (let round = 0; round < 6; round += 1) {
    const owner = await startOwner(t, place);
    await owner.setRoutes(many(one, 300));
    const setting = owner.setRoutes([
      ...many(two, 300),
      ...(round % 2 === 0 ? [] : [{ kind: 'tcp' as const, port, backends: [ready(two)] }]),
    ]);
    setting.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, round * 15));
    await owner.kill();
    assert.match((await backendOf(url)) ?? '', /^(?:one|two)$/);
  }
  const ingress = openIngress(place);
  await ingress.start(signal);
  defer(t, () => ingress.close());
  await ingress.setRoutes(many(two, 2));
  assert.equal(await backendOf(url), 'two');
  const { status } = await sendRequest(url, { headers: { host: 'h2.test' } });
  assert.equal(status, 404);
  await ingress.drained(one, { timeout: 0 }, signal);
});

/** An ingress in a process that can be killed. */
async function startOwner(t: TestContext, place: IngressPlace) {
  const program = join(import.meta.dirname, '../support/ingress-child.ts');
  const child = spawn(process.execPath, [program, JSON.stringify(place)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const kill = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  defer(t, kill);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const expect = async (expected: string) => {
    const { value } = await lines.next();
    assert.equal(value, expected);
  };
  await expect('ready');
  return {
    setRoutes: async (routes: Parameters<ReturnType<typeof openIngress>['setRoutes']>[0]) => {
      child.stdin.write(`${JSON.stringify(routes)}\n`);
      await expect('set');
    },
    kill,
  };
}
