import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startFleetRegistry } from '../support/fleet-registry.ts';
import { basicAuthorization } from '../support/http-client.ts';

const registry = await startFleetRegistry({ after });
const host = await registry.join('web1');

/** The app that is asked about; there is none of that name, so nothing changes. */
const APP = '/apps/team%2Fshop';

const PEOPLE = {
  nobody: undefined,
  'a wrong password': basicAuthorization('admin', 'wrong'),
  stranger: await registry.addUser('stranger'),
  'reader of team/*': await registry.addUser('reader', { 'team/*': 'reader' }),
  'writer of team/*': await registry.addUser('writer', { 'team/*': 'writer' }),
  'maintainer of team/*': await registry.addUser('maintainer', { 'team/*': 'maintainer' }),
  'admin of team/*': await registry.addUser('team-admin', { 'team/*': 'admin' }),
  'reader of *': await registry.addUser('auditor', { '*': 'reader' }),
  'admin of *': await registry.addUser('owner', { '*': 'admin' }),
  'robot without a scope of management': await registry.addRobot('puller', '*:pull,push,delete'),
  'robot for settings': await registry.addRobot('setter', 'registry:settings'),
  'robot that reads': await registry.addRobot('reads', 'registry:read'),
  'robot for hosts': await registry.addRobot('hosts', 'registry:hosts'),
  'robot for apps': await registry.addRobot('apps', 'registry:apps'),
  'robot for one app': await registry.addRobot('shop', 'registry:apps', 'team/shop:pull,push'),
  'robot for another app': await registry.addRobot('site', 'registry:apps', 'team/site:pull,push,delete'),
  'robot that manages': await registry.addRobot('manages', 'registry:manage'),
  host: basicAuthorization(`host:${host.id}`, await host.token()),
  'a token of a host': `Bearer ${await host.token()}`,
  administrator: basicAuthorization('admin', 'a password of tests'),
};
type Who = keyof typeof PEOPLE;

const UNKNOWN: readonly Who[] = ['nobody', 'a wrong password', 'host', 'a token of a host'];
const MANAGE_HOSTS: readonly Who[] = ['robot for hosts', 'robot that manages', 'administrator'];
const SEE_HOSTS: readonly Who[] = [...MANAGE_HOSTS, 'reader of *', 'admin of *', 'robot that reads'];
const MANAGE_APPS: readonly Who[] = ['robot for apps', 'robot that manages', 'administrator'];
const MAINTAIN: readonly Who[] = [...MANAGE_APPS, 'admin of *', 'admin of team/*', 'maintainer of team/*'];
const WRITE: readonly Who[] = [...MAINTAIN, 'writer of team/*', 'robot for one app'];
const READ: readonly Who[] = [...WRITE, 'reader of team/*', 'reader of *', 'robot that reads'];
/** They see what they may see. */
const KNOWN: readonly Who[] = [...READ, 'stranger', 'robot for another app'];

/** Method, path, the path in the description of the API, who may, and the status for those who do. */
const ROUTES: readonly (readonly [string, string, string, readonly Who[], number, object?])[] = [
  ['GET', '/hosts', '/hosts', SEE_HOSTS, 200],
  ['GET', '/hosts/web1', '/hosts/{name}', SEE_HOSTS, 200],
  ['PATCH', '/hosts/web1', '/hosts/{name}', MANAGE_HOSTS, 200, { draining: false }],
  ['DELETE', '/hosts/nothing', '/hosts/{name}', MANAGE_HOSTS, 404],
  ['POST', '/host-tokens', '/host-tokens', MANAGE_HOSTS, 201, {}],
  ['GET', '/apps', '/apps', KNOWN, 200],
  ['GET', `/running?digest=sha256:${'0'.repeat(64)}`, '/running', KNOWN, 200],
  ['GET', APP, '/apps/{app}', READ, 404],
  ['DELETE', APP, '/apps/{app}', MAINTAIN, 404],
  ['GET', `${APP}/releases`, '/apps/{app}/releases', READ, 404],
  ['POST', `${APP}/releases`, '/apps/{app}/releases', WRITE, 422, { compose: {} }],
  ['GET', `${APP}/instances`, '/apps/{app}/instances', READ, 404],
  ['GET', `${APP}/rollout`, '/apps/{app}/rollout', READ, 404],
  ['POST', `${APP}/rollback`, '/apps/{app}/rollback', WRITE, 404, {}],
  ['POST', `${APP}/restart`, '/apps/{app}/restart', WRITE, 404, {}],
  ['POST', `${APP}/scale`, '/apps/{app}/scale', WRITE, 404, { service: 'web', replicas: 1 }],
  ['POST', `${APP}/follow`, '/apps/{app}/follow', WRITE, 404, {}],
  ['GET', `${APP}/secrets`, '/apps/{app}/secrets', READ, 200],
  ['PUT', `${APP}/secrets/a%20b`, '/apps/{app}/secrets/{name}', MAINTAIN, 400, { value: 'eA==' }],
  ['DELETE', `${APP}/secrets/KEY`, '/apps/{app}/secrets/{name}', MAINTAIN, 404],
  ['GET', `${APP}/logs`, '/apps/{app}/logs', READ, 404],
  ['GET', `${APP}/latest-logs`, '/apps/{app}/latest-logs', READ, 404],
  ['GET', `${APP}/exec?service=web&command=["true"]`, '/apps/{app}/exec', MAINTAIN, 426],
];

for (const [method, path, , allowed, status, body] of ROUTES) {
  test(`${method} ${path}: each who asks`, async () => {
    const answers = Object.entries(PEOPLE).map(async ([who, authorization]) => {
      const answer = await fetch(`${registry.url}/api/v1${path}`, {
        method,
        headers: {
          ...(authorization !== undefined && { Authorization: authorization }),
          ...(body && { 'Content-Type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
      });
      await answer.body?.cancel();
      return [who, answer.status] as const;
    });
    const expected = Object.keys(PEOPLE).map((who) => {
      if (allowed.includes(who as Who)) return [who, status];
      return [who, UNKNOWN.includes(who as Who) ? 401 : 403];
    });
    assert.deepEqual(await Promise.all(answers), expected);
  });
}

test('the table has every route of the fleet', async () => {
  const answer = await registry.manage('GET', '/openapi.json');
  const { paths } = (await answer.json()) as { paths: Record<string, object> };
  const declared = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods)
      .filter((method) => method !== 'parameters')
      .map((method) => `${method.toUpperCase()} ${path.replace(/^\/api\/v1/, '')}`),
  );
  const ofFleet = declared.filter((line) => / \/(?:hosts?|host-tokens|apps|running)\b/.test(line));
  const table = ROUTES.map(([method, , pattern]) => `${method} ${pattern}`);
  assert.deepEqual(ofFleet.sort(), table.sort());
});

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
