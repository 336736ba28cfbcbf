import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openDatabase } from '../../storage/catalog/database.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { CookieBrowser, formOf } from '../support/cookie-browser.ts';
import { openEvents } from '../support/event-stream.ts';
import { openWorld } from '../support/fleet-world.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { FACTS } from '../support/joined-host.ts';
import { connectRaw } from '../support/raw-connection.ts';
import { createRegistryClient } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';
import { ADMIN_PASSWORD, startRegistryWithAccounts } from '../support/registry-with-accounts.ts';
import { waitUntil } from '../support/wait-until.ts';

const registry = await startRegistryWithAccounts({ after });
const admin = basicAuthorization('admin', ADMIN_PASSWORD);
await registry.store.roles.put({ holder: { kind: 'public' }, pattern: 'pub/*', role: 'reader' });
const READERS = 'berth_event_readers';

const manage = (method: string, path: string, body?: object) =>
  registry.send(method, `/api/v1${path}`, {
    headers: { authorization: admin, ...(body && { 'Content-Type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });

test('each reader gets what he may see, and IDs do not tell how much else there is', async (t) => {
  const ada = await registry.addUser('ada', { 'team/*': 'reader' });
  const robot = await registry.addRobot('watch', 'team/one:pull');
  const open = (authorization?: string, query?: string) =>
    openEvents(t, registry.url, { ...(authorization && { authorization }), ...(query && { query }) });
  const [visitor, reader, limited, all, one] = [
    await open(),
    await open(ada),
    await open(robot),
    await open(admin),
    await open(admin, '?repository=team/two'),
  ];
  assert.equal(visitor.headers['content-type'], 'text/event-stream');
  await registry.admin.pushImage('secret/app', '1');
  await manage('POST', '/users', { name: 'bob' });
  const { digest } = await registry.admin.pushImage('team/one', '1');
  await registry.admin.pushImage('team/two', '1');
  await manage('DELETE', '/repositories/team%2Ftwo/manifests/1');
  await manage('POST', '/repositories/team%2Ftwo/deleted-tags/1/restore', {});
  await registry.admin.pushImage('pub/app', '1');
  const [event] = await visitor.expect('push');
  assert.equal(event?.data.repository, 'pub/app');
  assert.deepEqual(Object.keys(event?.data ?? {}).toSorted(), [
    ...['at', 'by', 'digest', 'mediaType', 'repository', 'size', 'tag'],
  ]);
  // The public may see what everybody sees; those who have logged in see that too.
  const seen = await reader.expect('push', 'push', 'delete', 'restore', 'push');
  assert.deepEqual(
    seen.map(({ data }) => data.repository),
    ['team/one', 'team/two', 'team/two', 'team/two', 'pub/app'],
  );
  assert.deepEqual([seen[0]?.data.digest, seen[0]?.data.tag, seen[0]?.data.by], [digest, '1', 'admin']);
  assert.equal((await limited.expect('push'))[0]?.data.repository, 'team/one');
  await all.expect('push', 'change', 'push', 'push', 'delete', 'restore', 'push');
  await one.expect('push', 'delete', 'restore');
  assert.doesNotMatch(all.text(), /password|127\.0\.0\.1/);
  const ids = [visitor, reader, limited, all].flatMap(({ events }) => events.map(({ id }) => id));
  assert.deepEqual(new Set(ids.map((id) => id.length)), new Set([59]));
  // One place has another ID in each beginning: that two are equal would say that nothing has happened.
  const [again, twice] = [await open(), await open()];
  assert.notEqual(again.lastId(), twice.lastId());
});

test('a stream goes on where it was, by header or parameter, and otherwise has its reader load anew', async (t) => {
  const first = await openEvents(t, registry.url, { authorization: admin });
  const start = first.lastId();
  await registry.admin.pushImage('team/resume', '1');
  await registry.admin.pushImage('team/resume', '2');
  const [one] = await first.expect('push', 'push');
  first.close();
  await registry.admin.pushImage('team/resume', '3');
  const tagsAfter = async (terms: object, ...names: readonly string[]) => {
    const stream = await openEvents(t, registry.url, { authorization: admin, ...terms });
    const events = await stream.expect(...names);
    return events.map(({ data }) => data.tag);
  };
  assert.deepEqual(await tagsAfter({ lastId: one?.id }, 'push', 'push'), ['2', '3']);
  assert.deepEqual(await tagsAfter({ query: `?after=${start}` }, 'push', 'push', 'push'), ['1', '2', '3']);
  // The rights of the reader count, not those of the reader who got the ID.
  await openEvents(t, registry.url, { lastId: one?.id ?? '' }).then((stream) => stream.expect());
  const flipped = one?.id.replace(/^./, (first) => (first === 'A' ? 'B' : 'A')) ?? '';
  for (const lastId of ['1', flipped, 'x'.repeat(8000), '\u00e9', '1, 2']) {
    assert.deepEqual(await tagsAfter({ lastId }, 'reset'), [undefined], lastId.slice(0, 20));
  }
  const huge = await fetch(`${registry.url}/api/v1/events`, {
    headers: { 'Last-Event-ID': 'x'.repeat(1024 * 1024) },
  }).catch(() => undefined);
  assert.ok(huge === undefined || huge.status === 431, `${huge?.status}`);
});

test('a reader who has missed many events gets all of them, however slowly', async (t) => {
  const first = await openEvents(t, registry.url);
  first.close();
  const database = await openDatabase({ file: join(registry.data, 'catalog.sqlite') });
  t.after(() => database.destroy());
  const { audit } = await openCatalog(database);
  const entry = {
    at: new Date(),
    action: 'manage',
    outcome: 'done',
    detail: 'x'.repeat(400),
    count: 1,
  } as const;
  for (let batch = 0; batch < 60; batch += 1) await audit.record(new Array(50).fill(entry));
  const again = await openEvents(t, registry.url, { authorization: admin, lastId: first.lastId() });
  await waitUntil('all have come', () => again.events.length === 3000);
  assert.ok(again.events.every(({ name }) => name === 'change'));
});

test('a stream ends with the credentials that began it, and shows less with fewer rights', async (t) => {
  const eve = await registry.addUser('eve', { 'team/*': 'reader' });
  const made = await registry.send('POST', '/api/v1/tokens', {
    headers: { authorization: eve, 'Content-Type': 'application/json' },
    body: JSON.stringify({ name: 'watch', scopes: ['team/*:pull'], expiresAt: null }),
  });
  const { id, secret } = JSON.parse(made.body.toString());
  const byToken = await openEvents(t, registry.url, { authorization: basicAuthorization('eve', secret) });
  const byPassword = await openEvents(t, registry.url, { authorization: eve });
  const revoked = await registry.send('DELETE', `/api/v1/tokens/${id}`, { headers: { authorization: eve } });
  assert.equal(revoked.status, 204);
  await waitUntil('the stream of the token has ended', byToken.hasEnded);
  assert.equal(byPassword.hasEnded(), false);
  await manage('DELETE', '/grants?holder=user:eve&pattern=team/*');
  await registry.admin.pushImage('team/hidden', '1');
  await registry.admin.pushImage('pub/seen', '1');
  assert.equal((await byPassword.expect('push'))[0]?.data.repository, 'pub/seen');
  await manage('DELETE', '/users/eve');
  await waitUntil('the stream of the person has ended', byPassword.hasEnded);
});

test('the stream of a browser ends with its session', async (t) => {
  await registry.addUser('sam', { 'team/*': 'reader' });
  const browser = new CookieBrowser();
  const form = formOf(await browser.send(`${registry.url}/auth/`), 'log-in');
  await browser.send(form.action, { ...form.fields, user: 'sam', password: ADMIN_PASSWORD });
  const secret = browser.cookies.get(registry.url)?.get('berth-session');
  const cookie = `berth-session=${secret}`;
  const stream = await openEvents(t, registry.url, { cookie });
  await registry.admin.pushImage('team/session', '1');
  await stream.expect('push');
  const html = { accept: 'text/html' };
  const logout = formOf(await browser.send(`${registry.url}/`, undefined, html), 'logout');
  assert.equal((await browser.send(logout.action, logout.fields)).status, 303);
  await registry.admin.pushImage('team/session', '2');
  await waitUntil('it has ended', stream.hasEnded);
  await stream.expect('push');
  // Without a session it is a visitor's stream.
  const visitor = await openEvents(t, registry.url, { cookie, lastId: stream.lastId() });
  await registry.admin.pushImage('pub/app', '2');
  await visitor.expect('push');
});

test('a client that is gone, or reads nothing, costs nothing', async (t) => {
  await waitUntil('nobody reads', async () => (await registry.metric(READERS)) === 0);
  const gone = await openEvents(t, registry.url);
  const halfClosed = await connectRaw(t, registry.port);
  halfClosed.write('GET /api/v1/events HTTP/1.1\r\nHost: r\r\n\r\n');
  await halfClosed.waitFor(/\nid: /);
  // Requests that wait for the answer before them are readers too.
  halfClosed.write('GET /api/v1/events HTTP/1.1\r\nHost: r\r\n\r\n'.repeat(20));
  await waitUntil('all are counted', async () => (await registry.metric(READERS)) === 22);
  gone.close();
  halfClosed.socket.end();
  await waitUntil('both are forgotten', async () => (await registry.metric(READERS)) === 0);

  const slow = await connectRaw(t, registry.port);
  slow.write(`GET /api/v1/events HTTP/1.1\r\nHost: r\r\nAuthorization: ${admin}\r\n\r\n`);
  await slow.waitFor(/\nid: /);
  slow.socket.pause();
  const database = await openDatabase({ file: join(registry.data, 'catalog.sqlite') });
  t.after(() => database.destroy());
  const { audit } = await openCatalog(database);
  const detail = '\u20ac'.repeat(500);
  const entry = { at: new Date(), action: 'manage', outcome: 'done', detail, count: 1 } as const;
  await waitUntil('the slow one is cut', async () => {
    for (let batch = 0; batch < 20; batch += 1) await audit.record(new Array(50).fill(entry));
    return (await registry.metric(READERS)) === 0;
  });
});

test('a fleet: deploys, ends of rollouts and changes of hosts, for those who may know', async (t) => {
  const world = await openWorld(t, ['web1']);
  await world.push('one');
  const authorization = await world.registry.addUser('ada', { 'team/*': 'reader' });
  const everything = await world.registry.addUser('ops', { '*': 'reader' });
  const { url } = world.registry;
  const [visitor, ada, ops] = [
    await openEvents(t, url),
    await openEvents(t, url, { authorization }),
    await openEvents(t, url, { authorization: everything }),
  ];
  await world.deploy({ follow: true });
  await world.registry.manage('PATCH', '/hosts/web1', { labels: { role: 'db' } });
  const [deploy, rollout] = await ada.expect('app', 'rollout');
  assert.deepEqual([deploy?.data.change, deploy?.data.by], ['deploy', 'admin']);
  assert.deepEqual([rollout?.data.release, rollout?.data.state], [1, 'done']);
  await waitUntil('there are three', () => ops.events.length === 3);
  const host = ops.events.find(({ name }) => name === 'host');
  assert.deepEqual([host?.data.host, host?.data.change], ['web1', 'change']);
  await world.push('two');
  await waitUntil('the push is deployed', () => ada.events.length === 5);
  // The rollout may end before the audit has its beginning.
  const later = ada.events
    .slice(2)
    .map(({ data, name }) => `${name} ${data.change ?? data.state ?? data.tag}`);
  assert.deepEqual(later.toSorted(), ['app push', 'push main', 'rollout done']);
  await visitor.expect();
});

test('readers of hosts are told when one goes and comes, and others are not', async (t) => {
  const world = await openWorld(t, ['web1', 'web2']);
  const { registry: own } = world;
  const authorization = await own.addUser('ada', { 'team/*': 'maintainer' });
  const everything = await own.addUser('ops', { '*': 'reader' });
  const open = (terms: object) => openEvents(t, own.url, terms);
  const [visitor, ada, ops] = [
    await open({}),
    await open({ authorization }),
    await open({ authorization: everything }),
  ];
  const begun = ops.lastId();
  const [host] = world.hosts;
  host?.socket.socket.terminate();
  const [gone] = await ops.expect('host');
  assert.deepEqual([gone?.data.host, gone?.data.change], ['web1', 'offline']);
  assert.match(String(gone?.data.at), /^2/);
  await (await host?.host.connect())?.send({ type: 'hello', facts: FACTS, generation: 0 });
  const [, back] = await ops.expect('host', 'host');
  assert.deepEqual([back?.data.host, back?.data.change], ['web1', 'online']);
  // These have no ID. One who goes on may have missed some.
  assert.equal(ops.lastId(), begun);
  const again = await open({ authorization: everything, lastId: begun });
  const [missed] = await again.expect('host');
  assert.deepEqual([missed?.data.host, missed?.data.change], [undefined, 'states']);
  await open({ authorization, lastId: begun }).then((stream) => stream.expect());
  await visitor.expect();
  await ada.expect();
});

test('without accounts everybody gets everything, also where there are no pages', async (t) => {
  const open = await startInProcessRegistry(t, { page: false });
  const stream = await openEvents(t, open.url);
  await open.pushImage('team/app', '1');
  const [event] = await stream.expect('push');
  assert.equal(event?.data.by, undefined);
  const page = await open.send('GET', '/', { headers: { accept: 'text/html' } });
  assert.doesNotMatch(page.body.toString(), /<html/);
});

test('1,000 readers and no more; all get an event, and all are told at once that the server stops', async (t) => {
  const server = await startRegistry(t, {
    adminPassword: ADMIN_PASSWORD,
    args: ['--metrics', '127.0.0.1:0'],
  });
  const client = createRegistryClient(server.url, { name: 'admin', password: ADMIN_PASSWORD });
  const [, metrics = ''] = await server.process().waitForLine(/"metricsUrl":"([^"]+)"/);
  const readers = async () =>
    Number(/^berth_event_readers (\d+)$/m.exec(await (await fetch(metrics)).text())?.[1]);
  const tokens: string[] = [];
  for (let index = 0; index < 20; index += 1) {
    const name = `reader-${index}`;
    const made = await client.send('POST', '/api/v1/users', {
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name }),
    });
    tokens.push(basicAuthorization(name, JSON.parse(made.body.toString()).password));
  }
  await client.send('PUT', '/api/v1/grants', {
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ holder: 'public', pattern: 'pub/*', role: 'reader' }),
  });
  const open = (index: number, authorization?: string) =>
    openEvents(t, server.url, {
      localAddress: `127.0.0.${2 + index}`,
      ...(authorization && { authorization }),
    });
  const streams = (
    await Promise.all(
      tokens.map(async (authorization, index) => {
        const own = [];
        for (let count = 0; count < 50; count += 1) own.push(await open(index, authorization));
        return own;
      }),
    )
  ).flat();
  assert.deepEqual(new Set(streams.map(({ status }) => status)), new Set([200]));
  assert.equal(await readers(), 1000);
  const [full, account] = [
    await open(30, basicAuthorization('admin', ADMIN_PASSWORD)),
    await open(30, tokens[0]),
  ];
  assert.deepEqual([full.status, full.headers['retry-after']], [503, '30']);
  assert.deepEqual([account.status, account.headers['retry-after']], [429, '30']);
  await client.pushImage('pub/app', '1');
  await waitUntil('all have it', () => streams.every(({ events }) => events.length === 1));
  for (const stream of streams.slice(0, 500)) stream.close();
  await waitUntil('half of them are gone', async () => (await readers()) === 500);
  // Visitors leave room for those who have logged in.
  for (const stream of streams.slice(500, 550)) stream.close();
  await waitUntil('there is room', async () => (await readers()) === 450);
  const visitors = [];
  for (let count = 0; count < 500; count += 1) visitors.push(await open(40 + (count % 10)));
  assert.deepEqual(new Set(visitors.map(({ status }) => status)), new Set([200]));
  assert.equal((await open(60)).status, 503);
  const known = await open(60, tokens[1]);
  assert.equal(known.status, 200);
  for (const stream of visitors.slice(100)) stream.close();
  await waitUntil('there is room again', async () => (await readers()) === 551);
  const address = [];
  for (let count = 0; count < 250; count += 1) address.push(await open(70));
  assert.equal((await open(70)).status, 429);
  const left = [...streams.slice(550), ...visitors.slice(0, 100), known, ...address];
  process.kill(server.process().pid, 'SIGTERM');
  await waitUntil('all have ended', () => left.every(({ hasEnded }) => hasEnded()));
  assert.deepEqual(await server.process().exited, { code: 0, signal: null });
});
