import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { KnexAudit } from '../../storage/catalog/audit.ts';
import { openDatabase } from '../../storage/catalog/database.ts';
import { eventually } from '../support/eventually.ts';
import { basicAuthorization, type HttpAnswer } from '../support/http-client.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { createRegistryClient, digestOf, OCI_MANIFEST } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';
import { ADMIN_PASSWORD, startRegistryWithAccounts } from '../support/registry-with-accounts.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { startWebhookReceiver } from '../support/webhook-receiver.ts';

const SECRET = 'a secret of tests';
const registry = await startRegistryWithAccounts({ after }, { webhookPrivate: true });
const receiver = await startWebhookReceiver({ after }, SECRET);
const authorization = basicAuthorization('admin', ADMIN_PASSWORD);
await registry.addUser('wendy', { '*': 'writer' });
await registry.addUser('mary', { '*': 'maintainer' });
const wendy = createRegistryClient(registry.url, { name: 'wendy', password: ADMIN_PASSWORD });
const mary = createRegistryClient(registry.url, { name: 'mary', password: ADMIN_PASSWORD });

async function api(method: string, path: string, body?: object) {
  const answer = await registry.send(method, `/api/v1${path}`, {
    headers: { authorization, 'Content-Type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.body}`);
  return answer.body.length === 0 ? undefined : JSON.parse(answer.body.toString());
}

interface Shown {
  readonly id: string;
  readonly action: string;
  readonly outcome: string;
  readonly who?: string;
  readonly address?: string;
  readonly repository?: string;
  readonly tag?: string;
  readonly detail?: string;
  readonly count: number;
}

async function audited(query: string): Promise<readonly Shown[]> {
  return (await api('GET', `/audit?limit=1000&after=0&${query}`)).events;
}

test('who pushed what from where is exported, and streamed as JSON lines', async () => {
  const stream = await fetch(`${registry.url}/api/v1/audit/stream?repository=audit/app`, {
    headers: { authorization },
  });
  assert.equal(stream.headers.get('content-type'), 'application/jsonl');
  const { digest } = await wendy.pushImage('audit/app', '1');
  await mary.send('DELETE', '/v2/audit/app/manifests/1');
  const events = await audited('repository=audit/app');
  assert.deepEqual(
    events.map(({ action, who, tag, address }) => [action, who, tag, address]),
    [
      ['push', 'wendy', undefined, '127.0.0.1'],
      ['push', 'wendy', undefined, '127.0.0.1'],
      ['push', 'wendy', '1', '127.0.0.1'],
      ['delete', 'mary', '1', '127.0.0.1'],
    ],
  );
  const first = await api('GET', '/audit?limit=2&after=0&repository=audit/app');
  const rest = await api('GET', `/audit?after=${first.next}&repository=audit/app`);
  assert.deepEqual([...first.events, ...rest.events], events);
  assert.equal(rest.next, null);
  const newest = await api('GET', '/audit?limit=3&repository=audit/app');
  const older = await api('GET', `/audit?before=${newest.next}&repository=audit/app`);
  assert.deepEqual([...newest.events, ...older.events], events.toReversed());
  const deletes = await api(
    'GET',
    '/audit?action=delete&outcome=done&since=1h&until=2100-01-01&repository=audit/*',
  );
  assert.deepEqual(deletes.events, events.slice(3));
  for (const [query, message] of [
    ['action=fly', /"action": "fly" is not one of push, /],
    ['outcome=x', /"outcome"/],
    ['since=yesterday', /"since": "yesterday" is not a time/],
    ['before=1&after=1', /exclude each other/],
    ['before=x', /"before" is not the id/],
  ] as const) {
    const refused = await fetch(`${registry.url}/api/v1/audit?${query}`, { headers: { authorization } });
    assert.equal(refused.status, 400);
    const { errors } = (await refused.json()) as { errors: { code: string; message: string }[] };
    assert.equal(errors[0]?.code, 'VALUE_INVALID');
    assert.match(errors[0].message, message);
  }
  let text = '';
  const reader = stream.body?.getReader() ?? assert.fail();
  while (text.split('\n').length < 5) text += new TextDecoder().decode((await reader.read()).value);
  await reader.cancel();
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(lines, events);
  assert.equal(lines[2].digest, digest);
});

test('refusals are recorded, alike ones together, and so are changes by the management API', async () => {
  // All at once: what is seconds apart is not put together.
  await Promise.all(
    Array.from({ length: 5 }, () => [
      wendy.send('DELETE', '/v2/refused/app/manifests/1'),
      registry.send('GET', '/v2/refused/app/manifests/1'),
    ]).flat(),
  );
  await registry.send('GET', '/v2/refused/app/tags/list', {
    headers: { authorization: basicAuthorization('wendy', 'wrong') },
  });
  await registry.send('GET', '/token', { headers: { authorization: basicAuthorization('wendy', 'wrong') } });
  for (const path of ['/v2/', '/v2']) await registry.send('GET', path);
  const all = await eventually('the last of them is recorded', async () => {
    const found = await audited('');
    const isLast = ({ action, outcome }: Shown) => action === 'login' && outcome === 'unauthorized';
    return found.some(isLast) ? found : undefined;
  });
  const logins = all.filter(({ action, outcome }) => action === 'login' && outcome === 'unauthorized');
  assert.deepEqual(
    logins.map(({ who, detail }) => [who, detail]),
    [[undefined, 'the user name or the password is wrong (tried as "wendy")']],
  );
  const isQuestion = ({ action, repository }: Shown) => action === 'pull' && repository === undefined;
  assert.ok(!all.some(isQuestion), 'how a client finds out how to log in');
  const refused = await audited('repository=refused/app');
  const counted = (action: string, outcome: string) =>
    refused
      .filter((event) => event.action === action && event.outcome === outcome)
      .reduce((sum, { count }) => sum + count, 0);
  assert.equal(counted('delete', 'denied'), 5);
  assert.equal(counted('pull', 'unauthorized'), 6);
  assert.ok(refused.length < 11);
  assert.ok(
    refused.some(
      ({ who, detail }) => who === 'wendy' && detail?.includes('is not allowed to delete from refused/app'),
    ),
  );
  assert.ok(!all.some(({ detail }) => detail?.includes('newcomer')));
  await api('POST', '/users', { name: 'newcomer', password: 'not to be recorded' });
  const managed = (await audited('who=admin')).filter(({ action }) => action === 'manage');
  assert.ok(managed.some(({ detail }) => detail === 'POST /api/v1/users {"name":"newcomer"}'));
  assert.ok(!JSON.stringify(await audited('')).includes('not to be recorded'));
});

test('what is older than is to be kept leaves the record by itself', async (t) => {
  const data = join(await makeTempDir(t, 'retention'), 'data');
  const day = 24 * 60 * 60 * 1000;
  const open = await startInProcessRegistry(t, { data });
  await open.stop();
  const knex = await openDatabase({ file: join(data, 'catalog.sqlite') });
  const audit = new KnexAudit(knex);
  const entry = (detail: string, at: number) =>
    ({ at: new Date(at), action: 'manage', outcome: 'done', detail, count: 1 }) as const;
  await audit.record([entry('old', Date.now() - 3 * day), entry('young', Date.now() - day)]);
  await startInProcessRegistry(t, { data, auditRetention: 2 * day });
  await eventually('the old one is gone', async () => {
    const left = (await audit.list({ limit: 10 })).map(({ detail }) => detail);
    return left.length === 1 ? left : undefined;
  });
  assert.deepEqual(
    (await audit.list({ limit: 10 })).map(({ detail }) => detail),
    ['young'],
  );
  await knex.destroy();
});

test('an immutable tag is refused to be moved with a sentence, by password and by token', async () => {
  await api('PUT', '/tag-rules', { pattern: 'rules/*', tags: 'v*', kind: 'immutable' });
  await api('PUT', '/tag-rules', { pattern: 'rules/*', tags: 'release', kind: 'protected' });
  const { manifest } = await wendy.pushImage('rules/app', 'v1');
  await wendy.pushManifest('rules/app', 'v1', manifest);
  const other = JSON.stringify({ ...manifest, annotations: { changed: 'yes' } });
  const headers = { 'Content-Type': OCI_MANIFEST };
  const denied = (answer: HttpAnswer, sentence: RegExp) =>
    assert.match(expectError(answer, 403, 'DENIED').message, sentence);
  denied(await wendy.send('PUT', '/v2/rules/app/manifests/v1', { body: other, headers }), /v1 is immutable/);
  const several = `/v2/rules/app/manifests/${digestOf(other)}?tag=new&tag=v1`;
  denied(await registry.admin.send('PUT', several, { body: other, headers }), /v1 is immutable/);
  assert.equal((await wendy.send('GET', '/v2/rules/app/manifests/new')).status, 404);
  denied(await mary.send('DELETE', '/v2/rules/app/manifests/v1'), /only an administrator/);
  denied(
    await mary.send('DELETE', `/v2/rules/app/blobs/${manifest.layers[0]?.digest}`),
    /only an administrator/,
  );
  denied(
    await wendy.send('PUT', '/v2/rules/app/manifests/release', { body: other, headers }),
    /only maintainers/,
  );

  // docker asks for a token to pull and push, whoever it is for.
  const push = async (name: string) => {
    const token = await registry.token(
      basicAuthorization(name, ADMIN_PASSWORD),
      'repository:rules/app:pull,push',
    );
    return registry.send('PUT', '/v2/rules/app/manifests/release', {
      body: other,
      headers: { ...headers, authorization: `Bearer ${token}` },
    });
  };
  denied(await push('wendy'), /only maintainers/);
  assert.equal((await push('mary')).status, 201);
  assert.equal((await registry.admin.send('DELETE', '/v2/rules/app/manifests/v1')).status, 202);
  const refused = (await audited('repository=rules/app')).filter(({ outcome }) => outcome === 'denied');
  if (refused.length > 0) assert.match(refused[0]?.detail ?? '', /immutable|protected/);
});

test('a quota refuses uploads and mounts with a sentence, and leaves nothing behind', async () => {
  await api('PUT', '/quotas', { pattern: 'small/*', bytes: '1KB' });
  await wendy.pushBlob('small/app', Buffer.alloc(900));
  await wendy.pushBlob('large/app', Buffer.alloc(500));
  const location = await wendy.begin('small/app');
  const content = Buffer.alloc(101, 1);
  const end = `${location}?digest=${digestOf(content)}`;
  const over = await wendy.send('PUT', end, { body: content });
  assert.match(
    expectError(over, 403, 'DENIED').message,
    /the quota of small\/\* is 1000 bytes and this would make 1001/,
  );
  assert.equal((await wendy.send('PUT', end, { body: content })).status, 404, 'the upload is gone');
  const chunked = await wendy.begin('small/app');
  const patched = await wendy.send('PATCH', chunked, { body: content });
  expectError(patched, 403, 'DENIED');
  const mount = `/v2/small/app/blobs/uploads/?mount=${digestOf(Buffer.alloc(500))}&from=large/app`;
  assert.equal((await wendy.send('POST', mount)).status, 403);
  assert.deepEqual((await api('GET', '/quotas')).quotas, [{ pattern: 'small/*', bytes: 1000, used: 900 }]);
  await wendy.pushBlob('small/app', Buffer.alloc(100, 2));
  await eventually('a full repository begins no upload', async () => {
    const { status } = await wendy.send('POST', '/v2/small/app/blobs/uploads/');
    return status === 403 ? true : undefined;
  });
});

test('a webhook gets signed CloudEvents of pushes, mounts, deletes and some pulls', async () => {
  const events = ['push', 'mount', 'delete', 'pull'];
  const made = await api('POST', '/webhooks', {
    name: 'ci',
    url: receiver.url,
    events,
    pattern: 'hooked/*',
    secret: SECRET,
  });
  assert.equal(made.secret, SECRET);
  const tried = await api('POST', '/webhooks/ci/test', {});
  assert.deepEqual(tried, { delivered: true, failure: null });
  const { digest, manifest } = await wendy.pushImage('hooked/app', '1');
  await wendy.pushImage('unhooked/app', '1');
  const [layer] = manifest.layers;
  await wendy.send('POST', `/v2/hooked/next/blobs/uploads/?mount=${layer?.digest}&from=hooked/app`);
  await mary.send('DELETE', '/v2/hooked/app/manifests/1');
  await eventually('three events have come', () => (receiver.received.length >= 4 ? true : undefined));
  const [test, ...rest] = receiver.received;
  assert.equal(test?.type, 'berth.test');
  assert.ok(receiver.received.every(({ signed }) => signed));
  assert.equal(test?.contentType, 'application/cloudevents+json; charset=utf-8');
  assert.deepEqual(
    rest.map(({ type, source, subject, data }) => [type, source, subject, data.who]),
    [
      ['berth.push', '/v2/hooked/app', '1', 'wendy'],
      ['berth.mount', '/v2/hooked/next', layer?.digest, 'wendy'],
      ['berth.delete', '/v2/hooked/app', '1', 'mary'],
    ],
  );
  assert.equal(rest[0]?.data.digest, digest);
  await wendy.send('GET', `/v2/hooked/app/manifests/${digest}`);
  const pull = await eventually('a pull is told', () =>
    receiver.received.find(({ type }) => type === 'berth.pull'),
  );
  assert.deepEqual([pull.data.digest, pull.data.who, pull.data.count], [digest, 'wendy', 1]);
});

test('a receiver that refuses an event gets those of other repositories meanwhile', async () => {
  receiver.received.length = 0;
  receiver.answer = ({ source }) => (source === '/v2/hooked/bad' ? 302 : 204);
  await wendy.pushImage('hooked/bad', '1');
  await wendy.pushImage('hooked/good', '1');
  await eventually('the other repository is told of', () => receiver.received.length > 0 || undefined);
  assert.deepEqual(
    receiver.received.map(({ source }) => source),
    ['/v2/hooked/good'],
  );
  await eventually('only the one that is refused waits', async () => {
    const [state] = (await api('GET', '/webhooks')).webhooks;
    return state.waiting === 1 || undefined;
  });
  receiver.answer = () => 204;
  await eventually('it is tried again', () => receiver.received.length > 1 || undefined);
  await api('DELETE', '/webhooks/ci');
});
