import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startFleetRegistry } from '../support/fleet-registry.ts';
import { basicAuthorization } from '../support/http-client.ts';

const registry = await startFleetRegistry({ after });
const host = await registry.join('web1');

/** Who asks, and whether they may see hosts, and manage them. */
const PEOPLE = {
  nobody: undefined,
  'a wrong password': basicAuthorization('admin', 'wrong'),
  stranger: await registry.addUser('stranger'),
  'reader of team/*': await registry.addUser('reader', { 'team/*': 'reader' }),
  'admin of team/*': await registry.addUser('team-admin', { 'team/*': 'admin' }),
  'reader of *': await registry.addUser('auditor', { '*': 'reader' }),
  'admin of *': await registry.addUser('owner', { '*': 'admin' }),
  'robot without a scope of management': await registry.addRobot('puller', '*:pull'),
  'robot for settings': await registry.addRobot('setter', 'registry:settings'),
  'robot that reads': await registry.addRobot('reads', 'registry:read'),
  'robot for hosts': await registry.addRobot('hosts', 'registry:hosts'),
  'robot that manages': await registry.addRobot('manages', 'registry:manage'),
  host: basicAuthorization(`host:${host.id}`, await host.token()),
  administrator: basicAuthorization('admin', 'a password of tests'),
};

const SEES = [
  'reader of *',
  'admin of *',
  'robot that reads',
  'robot for hosts',
  'robot that manages',
  'administrator',
];
const MANAGES = ['robot for hosts', 'robot that manages', 'administrator'];
const UNKNOWN = ['nobody', 'a wrong password', 'host'];

const ROUTES = [
  { method: 'GET', path: '/hosts', body: undefined, allowed: SEES, status: 200 },
  { method: 'GET', path: '/hosts/web1', body: undefined, allowed: SEES, status: 200 },
  { method: 'PATCH', path: '/hosts/web1', body: { draining: false }, allowed: MANAGES, status: 200 },
  { method: 'POST', path: '/host-tokens', body: {}, allowed: MANAGES, status: 201 },
  { method: 'DELETE', path: '/hosts/nothing', body: undefined, allowed: MANAGES, status: 404 },
] as const;

for (const { method, path, body, allowed, status } of ROUTES) {
  test(`${method} ${path}: each who asks`, async () => {
    for (const [who, authorization] of Object.entries(PEOPLE)) {
      const answer = await fetch(`${registry.url}/api/v1${path}`, {
        method,
        headers: {
          ...(authorization !== undefined && { Authorization: authorization }),
          ...(body && { 'Content-Type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
      });
      const expected = allowed.some((one) => one === who) ? status : UNKNOWN.includes(who) ? 401 : 403;
      assert.equal(answer.status, expected, `${who}: ${await answer.text()}`);
    }
  });
}

test('complaint 12: each change of a host is in the audit', async () => {
  await registry.join('changing');
  const change = { name: 'changed', labels: { role: 'db' }, draining: true };
  const answer = await registry.manage('PATCH', '/hosts/changing', change);
  const shown = (await answer.json()) as Record<string, unknown>;
  assert.deepEqual(
    [shown.name, shown.labels, shown.draining, shown.state],
    ['changed', { role: 'db' }, true, 'unknown'],
  );
  assert.equal((await registry.manage('PATCH', '/hosts/changed', { name: 'web1' })).status, 409);
  assert.equal((await registry.manage('PATCH', '/hosts/changed', { labels: { 'a b': 'c' } })).status, 400);
  assert.equal((await registry.manage('PATCH', '/hosts/gone', { draining: true })).status, 404);
  assert.equal((await registry.manage('DELETE', '/hosts/changed')).status, 204);
  const details = (await registry.audited(/hosts\/chang/)).map(({ detail }) => detail);
  assert.deepEqual(details, [
    'DELETE /api/v1/hosts/changed',
    `PATCH /api/v1/hosts/changing ${JSON.stringify(change)}`,
  ]);
  assert.ok((await registry.audited(/POST \/api\/v1\/host-tokens/)).length > 0);
});
