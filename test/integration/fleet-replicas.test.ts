import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { decodeFrame, encodeCredit, encodeFrame } from '../../fleet/channel-frame.ts';
import { type ChannelKind, PROTOCOL } from '../../fleet/messages.ts';
import { openPostgres } from '../../storage/catalog/postgres/open-postgres.ts';
import { KnexHostStore } from '../../storage/fleet/knex-host-store.ts';
import { defer } from '../support/cleanup.ts';
import { digestOf } from '../support/content.ts';
import { openEvents } from '../support/event-stream.ts';
import { emptyTarget, healthyReport } from '../support/fleet-registry.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { type InProcessRegistry, startInProcessRegistry } from '../support/in-process-registry.ts';
import {
  FACTS,
  type HostSocket,
  hostClient,
  type JoinedHost,
  joinHost,
  postJson,
} from '../support/joined-host.ts';
import { startPostgres } from '../support/postgres.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { waitUntil } from '../support/wait-until.ts';

const PASSWORD = 'a password of tests';
const ADMIN = { Authorization: basicAuthorization('admin', PASSWORD) };

const tokenOf = async (url: string): Promise<string> => {
  const answer = await postJson(`${url}/api/v1/host-tokens`, {}, ADMIN);
  return ((await answer.json()) as { token: string }).token;
};
const hostAt = async (url: string, name: string) =>
  (await (await fetch(`${url}/api/v1/hosts/${name}`, { headers: ADMIN })).json()) as Record<string, unknown>;
const greet = async (host: JoinedHost) => {
  const socket = await host.connect();
  socket.send({ type: 'hello', facts: FACTS, generation: 0 });
  await socket.message('target');
  return socket;
};
const auditOf = async (url: string) =>
  (await fetch(`${url}/api/v1/audit?limit=1000`, { headers: ADMIN })).text();

/** Logs and commands of a host, asked for at a replica that does not have its connection. */
async function channelsOfAnotherReplica(host: HostSocket, url: string): Promise<void> {
  const app = `${url}/api/v1/apps/team%2Fshop`;
  const frames: string[] = [];
  host.socket.on('message', (data, isBinary) => {
    const frame = isBinary ? decodeFrame(data as Buffer) : undefined;
    if (frame !== undefined) {
      frames.push(`${frame.kind} ${frame.kind === 'credit' ? frame.payload.readUInt32BE() : frame.payload}`);
      return;
    }
    const message = isBinary ? {} : JSON.parse(String(data));
    if (message.type !== 'open') return;
    const answer = (kind: ChannelKind, payload: string) =>
      host.socket.send(encodeFrame(message.channel, kind, payload));
    if (message.request.kind === 'logs') {
      const entry = { service: 'web', instance: 1, release: 1, stream: 'stdout', time: '1', line: 'a — ü' };
      answer('data', `${JSON.stringify(entry)}\n`);
      answer('end', '');
    } else answer('stdout', 'ready');
  });
  const logs = await fetch(`${app}/logs`, { headers: ADMIN });
  assert.deepEqual(
    [logs.status, await logs.text()],
    [
      200,
      '{"host":"web1","service":"web","instance":1,"release":1,"stream":"stdout","time":"1","line":"a — ü"}\n',
    ],
  );
  const query = new URLSearchParams({ service: 'web', command: '["cat"]', stdin: 'true' });
  const person = new WebSocket(`${app.replace('http', 'ws')}/exec?${query}`, PROTOCOL, { headers: ADMIN });
  const seen: string[] = [];
  let hasEnded = false;
  person.on('message', (data) => {
    const frame = decodeFrame(data as Buffer);
    if (frame !== undefined) seen.push(`${frame.kind} ${frame.payload}`);
  });
  person.once('close', () => {
    hasEnded = true;
  });
  await waitUntil('the command has begun', () => seen.length > 0);
  person.send(encodeFrame(0, 'stdin', 'input'));
  person.send(encodeCredit(0, 5));
  person.send(encodeFrame(0, 'end'));
  await waitUntil('the host has the input', () => frames.includes('end '));
  const sent = frames.filter((frame) => !/^(?:close|credit (?!5$))/.test(frame));
  assert.deepEqual(sent, ['stdin input', 'credit 5', 'end ']);
  const last = host.received.findLast((message) => message.type === 'open');
  host.socket.send(encodeFrame(last?.channel ?? 0, 'exit', '3'));
  host.socket.send(encodeFrame(last?.channel ?? 0, 'close'));
  await waitUntil('it has ended', () => hasEnded);
  assert.deepEqual(seen, ['stdout ready', 'exit 3', 'close ']);
}

test('hosts of two replicas on one database', async (t) => {
  const postgres = await startPostgres({ after });
  const database = await postgres.createDatabase();
  const folder = await makeTempDir(t, 'replicas');
  const start = (name: string) =>
    startInProcessRegistry(t, {
      data: join(folder, name),
      database,
      auth: 'accounts',
      adminPassword: PASSWORD,
    });
  const [one, other]: readonly InProcessRegistry[] = [await start('one'), await start('other')];
  assert.ok(one && other);
  const connection = await openPostgres(database);
  defer(t, () => connection.destroy());
  const hosts = new KnexHostStore(connection);

  const stream = await openEvents(t, one.url, { authorization: ADMIN.Authorization });
  const atOne = await joinHost(t, one.url, await tokenOf(other.url), 'web1');
  const atOther = hostClient(t, other.url, atOne);
  const socket = await greet(atOther);
  assert.equal((await hostAt(one.url, 'web1')).state, 'online');
  const states = () => stream.events.flatMap(({ data, name }) => (name === 'host' ? [data.change] : []));
  await waitUntil('its events are there', () => states().includes('online'));
  assert.equal((await atOne.get('/target')).status, 200);

  await hosts.setTargets([{ host: atOne.id, set: [emptyTarget('team/shop')], remove: [] }]);
  const change = await socket.message('change');
  assert.deepEqual([change.from, change.generation], [0, 1]);
  const instance = { service: 'web', instance: 1, release: 1, container: 'web-1', image: digestOf('web') };
  const running = { ...instance, state: 'running' as const, health: 'healthy' as const, restarts: 0 };
  socket.send({
    type: 'report',
    reports: [{ ...healthyReport('team/shop'), instances: [running] }],
    gone: [],
  });
  await waitUntil(
    'the report is there',
    async () => (await hostAt(one.url, 'web1')).apps?.toString() === 'team/shop',
  );

  await channelsOfAnotherReplica(socket, one.url);

  // The record says that the other replica has its connection, which has just ended.
  const lost = await joinHost(t, one.url, await tokenOf(one.url), 'web3');
  const replica = (await hosts.find('web1'))?.connection?.split('/')[0];
  await hosts.connect(lost.id, `${replica}/999`, FACTS, new Date());
  await hosts.setTargets([{ host: lost.id, set: [emptyTarget('team/lost')], remove: [] }]);
  await hosts.report(lost.id, [{ ...healthyReport('team/lost'), instances: [running] }], [], new Date());
  const refused = await fetch(`${one.url}/api/v1/apps/team%2Flost/logs`, { headers: ADMIN });
  assert.match(await refused.text(), /the host web3 is not connected: check berth-agent there/);

  // Both learn at the next heartbeat: of the clone, and of the removal.
  const removed = await greet(
    hostClient(t, other.url, await joinHost(t, one.url, await tokenOf(one.url), 'web2')),
  );
  assert.equal(
    (await fetch(`${one.url}/api/v1/hosts/web2`, { method: 'DELETE', headers: ADMIN })).status,
    204,
  );
  const clone = await greet(atOne);
  assert.equal(await socket.ended(), 4001);
  assert.equal(await removed.ended(), 4003);
  await waitUntil('the audit has the clone', async () =>
    /two machines have the key/.test(await auditOf(one.url)),
  );
  assert.equal(clone.code(), undefined);
  assert.equal((await hostAt(other.url, 'web1')).state, 'online');

  // A replica that stops sends its hosts elsewhere.
  await one.stop();
  assert.equal(await clone.ended(), 1012);
  assert.equal((await hostAt(other.url, 'web1')).state, 'offline');
  await greet(atOther);
  assert.equal((await hostAt(other.url, 'web1')).state, 'online');
});

test('a host comes back after the registry was killed, with its token, and without an alarm', async (t) => {
  const registry = await startRegistry(t, { adminPassword: PASSWORD });
  const host = await joinHost(t, registry.url, await tokenOf(registry.url), 'web1');
  const socket = await greet(host);
  await registry.kill();
  assert.equal(await socket.ended(), 1006);
  await registry.restart();
  // What the registry had recorded of the connection is older than the process.
  await greet(host);
  assert.equal((await hostAt(registry.url, 'web1')).state, 'online');
  assert.doesNotMatch(await auditOf(registry.url), /two machines/);
  await registry.stop();
});
