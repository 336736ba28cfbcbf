import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROTOCOL, type RegistryMessage } from '../../fleet/messages.ts';
import { emptyTarget, healthyReport, startFleetRegistry } from '../support/fleet-registry.ts';
import { sendRequest } from '../support/http-client.ts';
import { FACTS, type HostSocket, type JoinedHost, openHostSocket } from '../support/joined-host.ts';
import { waitUntil } from '../support/wait-until.ts';

const registry = await startFleetRegistry({ after });

const stateOf = async (name: string) => {
  const host = (await (await registry.manage('GET', `/hosts/${name}`)).json()) as { state: string };
  return host.state;
};
const reportsOf = async (host: JoinedHost) => (await registry.hosts.find(host.id))?.reports ?? [];
const hello = { type: 'hello', facts: FACTS, generation: 0 } as const;
const greet = async (host: JoinedHost): Promise<HostSocket> => {
  const socket = await host.connect();
  socket.send(hello);
  await socket.message('target');
  return socket;
};
const changesOf = (socket: HostSocket) =>
  socket.received.filter(
    (message): message is RegistryMessage & { type: 'change' } => message.type === 'change',
  );

describe('hosts connect', { concurrency: true }, () => {
  test('and get the whole target, then its changes, by other processes too', async () => {
    const host = await registry.join('targets');
    await registry.hosts.setTargets([
      { host: host.id, set: [emptyTarget('shop'), emptyTarget('blog')], remove: [] },
    ]);
    const socket = await greet(host);
    assert.deepEqual((await socket.message('target')).target, {
      generation: 1,
      apps: [emptyTarget('blog'), emptyTarget('shop')],
    });
    assert.equal(await stateOf('targets'), 'online');
    await registry.hosts.setTargets([
      { host: host.id, set: [emptyTarget('shop', 2), emptyTarget('blog')], remove: [] },
    ]);
    await socket.message('change');
    await registry.hosts.setTargets([{ host: host.id, set: [emptyTarget('wiki')], remove: ['shop'] }]);
    await waitUntil('both changes are there', () => changesOf(socket).length === 2);
    assert.deepEqual(changesOf(socket), [
      { type: 'change', from: 1, generation: 2, set: [emptyTarget('shop', 2)], remove: [] },
      { type: 'change', from: 2, generation: 3, set: [emptyTarget('wiki')], remove: ['shop'] },
    ]);
    socket.send({ type: 'resync' });
    await waitUntil(
      'the whole is sent again',
      () => socket.received.filter(({ type }) => type === 'target').length === 2,
    );
    const last = socket.received.at(-1);
    assert.deepEqual(last, {
      type: 'target',
      target: { generation: 3, apps: [emptyTarget('blog'), emptyTarget('wiki')] },
    });
    socket.socket.close();
    await waitUntil('the host is offline', async () => (await stateOf('targets')) === 'offline');
  });

  test('and report about the apps of their targets, and no others', async () => {
    const host = await registry.join('reporter');
    const other = await registry.join('neighbour');
    await registry.hosts.setTargets([
      { host: host.id, set: [emptyTarget('shop')], remove: [] },
      { host: other.id, set: [emptyTarget('bank')], remove: [] },
    ]);
    const socket = await greet(host);
    socket.send({ type: 'report', reports: [healthyReport('bank'), healthyReport('shop')], gone: ['bank'] });
    await waitUntil('the report is stored', async () => (await reportsOf(host)).length > 0);
    assert.deepEqual(await reportsOf(host), [healthyReport('shop')]);
    assert.deepEqual(await reportsOf(other), []);
    const shown = (await (await registry.manage('GET', '/hosts/reporter')).json()) as { apps: string[] };
    assert.deepEqual(shown.apps, ['shop']);
    socket.send({ type: 'report', reports: [], gone: ['shop'] });
    await waitUntil('it is gone', async () => (await reportsOf(host)).length === 0);
  });

  test('or ask by plain requests, with an entity tag', async () => {
    const host = await registry.join('poller');
    await registry.hosts.setTargets([{ host: host.id, set: [emptyTarget('shop')], remove: [] }]);
    const answer = await host.get('/target');
    assert.deepEqual(await answer.json(), { generation: 1, apps: [emptyTarget('shop')] });
    const tag = answer.headers.get('ETag') ?? '';
    assert.equal((await host.get('/target', { 'If-None-Match': tag })).status, 304);
    await registry.hosts.setTargets([{ host: host.id, set: [], remove: ['shop'] }]);
    const changed = await host.get('/target', { 'If-None-Match': tag });
    assert.deepEqual([changed.status, await changed.json()], [200, { generation: 2, apps: [] }]);
    assert.equal(await stateOf('poller'), 'online');
    await registry.hosts.setTargets([{ host: host.id, set: [emptyTarget('shop')], remove: [] }]);
    const posted = await host.post('/reports', { reports: [healthyReport('shop'), healthyReport('bank')] });
    assert.equal(posted.status, 204);
    assert.deepEqual(await reportsOf(host), [healthyReport('shop')]);
  });

  test('not without a token, a WebSocket, or the protocol', async () => {
    const host = await registry.join('handshaker');
    const url = `${registry.url}/api/v1/fleet/connect`;
    const token = await host.token();
    const upgrade = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': Buffer.alloc(16).toString('base64'),
      'Sec-WebSocket-Protocol': PROTOCOL,
      Authorization: `Bearer ${token}`,
    };
    const statusOf = async (headers: Record<string, string>) => (await sendRequest(url, { headers })).status;
    assert.equal(await statusOf({ ...upgrade, Authorization: 'Bearer x' }), 401);
    assert.equal(await statusOf({ Authorization: upgrade.Authorization }), 426);
    assert.equal(await statusOf({ ...upgrade, 'Sec-WebSocket-Version': '8' }), 426);
    assert.equal(await statusOf({ ...upgrade, 'Sec-WebSocket-Key': 'short' }), 400);
    assert.equal(await statusOf({ ...upgrade, 'Sec-WebSocket-Protocol': 'berth.fleet.v9' }), 400);
    const { status, headers } = await sendRequest(`${registry.url}/api/v1/openapi.json`, {
      headers: upgrade,
    });
    assert.deepEqual([status, headers.connection], [200, 'close']);
    assert.equal((await sendRequest(`${registry.url}/v2/`, { headers: { ...upgrade } })).status, 401);
    await assert.rejects(openHostSocket({ after }, registry.url, 'wrong'), /401/);
    assert.equal(await registry.metric('berth_http_requests_running'), 0);
  });

  test('again, and the machine that had the key before is told; the audit says so', async () => {
    const host = await registry.join('twin');
    const first = await greet(host);
    const second = await greet(host);
    assert.equal(await first.ended(), 4001);
    assert.equal(first.received.at(-1)?.type, 'replaced');
    await waitUntil(
      'the audit has it',
      async () => (await registry.audited(/of the host twin/)).length === 1,
    );
    const [entry] = await registry.audited(/two machines have the key of the host twin/);
    assert.deepEqual([entry?.who, entry?.outcome], ['host:twin', 'denied']);
    await registry.hosts.setTargets([{ host: host.id, set: [emptyTarget('shop')], remove: [] }]);
    await second.message('change');
    assert.equal(await stateOf('twin'), 'online');
  });

  test('again, and a machine that closes when it is told counts as one that answered', async () => {
    const host = await registry.join('closer');
    const first = await greet(host);
    first.socket.on('message', () => first.socket.close());
    await greet(host);
    await first.ended();
    await waitUntil(
      'the audit has it',
      async () => (await registry.audited(/of the host closer/)).length === 1,
    );
  });

  test('again after their connection was lost, which is no alarm', async () => {
    const host = await registry.join('mover');
    const lost = await greet(host);
    // It neither reads nor writes any more, as behind a cable that was cut.
    lost.socket.pause();
    const next = await greet(host);
    await sleep(200);
    await registry.hosts.setTargets([{ host: host.id, set: [emptyTarget('shop')], remove: [] }]);
    await next.message('change');
    assert.equal((await registry.audited(/key of the host mover/)).length, 0);
  });

  test('and are told when they are removed', async () => {
    const host = await registry.join('removed');
    const socket = await greet(host);
    await registry.manage('DELETE', '/hosts/removed');
    assert.equal(await socket.ended(), 4003);
    assert.equal(socket.received.at(-1)?.type, 'removed');
    await assert.rejects(host.connect(), /401/);
  });
});

describe('hostile hosts', { concurrency: true }, () => {
  const endOf = async (name: string, act: (socket: HostSocket) => void, greeted = true) => {
    const host = await registry.join(name);
    const socket = greeted ? await greet(host) : await host.connect();
    act(socket);
    return socket.ended();
  };
  const report = (more: object) =>
    JSON.stringify({ type: 'report', reports: [{ ...healthyReport('shop'), ...more }] });

  test('messages that are none end the connection', async () => {
    const texts = ['', 'null', '[]', '{}', '{"type":"open"}', '{"type":"hello"}', report({ phase: 'x' })];
    for (const [index, text] of texts.entries()) {
      assert.equal(await endOf(`talker${index}`, ({ socket }) => socket.send(text)), 1008, text);
    }
    assert.equal(await endOf('rude', ({ send }) => send({ type: 'resync' }), false), 1008);
    assert.equal(await endOf('eager', ({ send }) => send(hello)), 1008);
  });

  test('messages beyond the limit end the connection', async () => {
    assert.equal(await endOf('large', ({ socket }) => socket.send(Buffer.alloc(2 ** 20 + 1))), 1009);
    const shards = ({ socket }: HostSocket) => {
      for (let count = 0; count < 20_000; count += 1) socket.send('x', { fin: false });
    };
    assert.equal(await endOf('shards', shards), 1008);
  });

  test('floods of messages, pings and reports end the connection', async () => {
    const many =
      (act: (socket: HostSocket) => void, times = 2_000) =>
      (socket: HostSocket) => {
        for (let count = 0; count < times; count += 1) act(socket);
      };
    assert.equal(
      await endOf(
        'resyncer',
        many(({ send }) => send({ type: 'resync' })),
      ),
      1008,
    );
    assert.equal(
      await endOf(
        'pinger',
        many(({ socket }) => socket.ping('x')),
      ),
      1008,
    );
    const reason = 'x'.repeat(500_000);
    const reports = many(({ socket }) => socket.send(report({ reason })), 40);
    assert.equal(await endOf('writer', reports), 1008);
  });

  test('a report is bounded in all that is kept of it', async () => {
    const host = await registry.join('bounded');
    await registry.hosts.setTargets([{ host: host.id, set: [emptyTarget('shop')], remove: [] }]);
    const socket = await greet(host);
    socket.socket.send(report({ reason: 'x\0'.repeat(50_000), more: 'x'.repeat(100_000) }));
    await waitUntil('the report is stored', async () => (await reportsOf(host)).length === 1);
    const [kept] = await reportsOf(host);
    assert.equal(kept?.reason, 'x '.repeat(500));
    assert.deepEqual(
      Object.keys(kept ?? {}).sort(),
      [...Object.keys(healthyReport('shop')), 'reason'].sort(),
    );
  });

  test('plain requests change nothing beyond the reports of their own apps', async () => {
    const liar = await registry.join('liar');
    const honest = await registry.join('honest');
    await registry.hosts.setTargets([
      { host: liar.id, set: [emptyTarget('shop')], remove: [] },
      { host: honest.id, set: [emptyTarget('bank')], remove: [] },
    ]);
    await honest.post('/reports', { reports: [healthyReport('bank')] });
    const large = await liar.post('/reports', { reports: [], more: 'x'.repeat(10 * 2 ** 20) });
    assert.equal(large.status, 400);
    assert.match(await large.text(), /the body has more than 1048576 bytes/);
    for (let round = 0; round < 5; round += 1) {
      const apps = Array.from({ length: 500 }, (_, index) => `app${round}/${index}`);
      const reports = [...apps, 'shop', 'bank'].map((app) => healthyReport(app, 999));
      assert.equal((await liar.post('/reports', { reports, gone: ['bank'] })).status, 204);
    }
    const many = Array.from({ length: 1001 }, (_, index) => healthyReport(`app${index}`));
    assert.equal((await liar.post('/reports', { reports: many })).status, 400);
    assert.deepEqual(await reportsOf(liar), [healthyReport('shop', 999)]);
    assert.deepEqual(await reportsOf(honest), [healthyReport('bank')]);
  });

  test('connections that never say hello do not add up', async () => {
    const host = await registry.join('silent');
    const sockets = [];
    for (let count = 0; count < 5; count += 1) sockets.push(await host.connect());
    for (const socket of sockets.slice(0, -1)) await socket.ended();
    assert.equal(sockets.at(-1)?.code(), undefined);
  });

  test('a host that connects all the time has to wait', async () => {
    const host = await registry.join('restless');
    await host.token();
    const answers = await Promise.all(Array.from({ length: 100 }, () => host.get('/target')));
    assert.ok(answers.some(({ status }) => status === 200));
    const refused = answers.find(({ status }) => status === 429);
    assert.ok(Number(refused?.headers.get('Retry-After')) > 0);
  });
});
