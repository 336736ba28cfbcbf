import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Browse } from '../../server/browse/browse.ts';
import { browseRoutes } from '../../server/browse/browse-routes.ts';
import { type EventRoutesDependencies, eventRoutes } from '../../server/events/event-routes.ts';
import { appRoutes } from '../../server/fleet/app-routes.ts';
import type { AppRoutesDependencies } from '../../server/fleet/app-terms.ts';
import { type ChannelRoutesDependencies, channelRoutes } from '../../server/fleet/channel-routes.ts';
import { type HostRoutesDependencies, hostRoutes } from '../../server/fleet/host-routes.ts';
import {
  createManagementRouter,
  type ManagementDependencies,
} from '../../server/management/management-router.ts';
import { describedCalls } from '../support/described-calls.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { LONGEST_WAIT } from '../support/longest-wait.ts';
import { ADMIN_PASSWORD, startRegistryWithAccounts } from '../support/registry-with-accounts.ts';

const registry = await startRegistryWithAccounts({ after });
const admin = basicAuthorization('admin', ADMIN_PASSWORD);
const ada = await registry.addUser('ada', { 'team/*': 'admin' });

const { call, paths: PATHS } = await describedCalls(registry);

test('openapi.json has the routes of the server, and no others', async () => {
  const fleet = [
    ...hostRoutes({} as HostRoutesDependencies),
    ...appRoutes({} as AppRoutesDependencies),
    ...channelRoutes({} as ChannelRoutesDependencies),
  ];
  const browse = browseRoutes({} as Browse);
  const events = eventRoutes({} as EventRoutesDependencies);
  const router = createManagementRouter(
    { store: registry.store, catalog: {}, browse, events, fleet } as unknown as ManagementDependencies,
    '',
  );
  const routes = router.stack
    .flatMap(({ methods, path }) =>
      methods.map((method) => `${method} ${String(path).replace('/api/v1', '')}`),
    )
    .filter((route) => !route.startsWith('HEAD '))
    .map((route) => route.replace(/:(\w+)/g, '{$1}'));
  const described = Object.entries(PATHS).flatMap(([path, operations]) =>
    Object.keys(operations)
      .filter((name) => name !== 'parameters')
      .map((method) => `${method.toUpperCase()} ${path}`),
  );
  assert.deepEqual(described.sort(), routes.sort());
});

test('people: made, found, changed, removed', async () => {
  const made = await call(admin, 'POST', '/users', { name: 'bob' });
  assert.equal(made.status, 201);
  const bob = basicAuthorization('bob', made.json.password);
  assert.deepEqual((await call(bob, 'GET', '/me')).json, { kind: 'user', name: 'bob', admin: false });
  assert.equal((await call(admin, 'POST', '/users', { name: 'bob' })).status, 409);
  assert.equal((await call(bob, 'GET', '/users/bob')).json.hasPassword, true);
  assert.equal((await call(bob, 'GET', '/users/ada')).status, 403);
  assert.equal((await call(admin, 'GET', '/users')).json.users.length, 3);

  const password = 'a new password of bob';
  assert.equal((await call(bob, 'PATCH', '/users/bob', { password })).status, 403);
  const change = { password, currentPassword: made.json.password };
  assert.equal((await call(bob, 'PATCH', '/users/bob', { ...change, admin: true })).status, 403);
  assert.equal((await call(bob, 'PATCH', '/users/bob', change)).status, 204);
  assert.equal((await call(bob, 'GET', '/me')).status, 401);
  assert.equal((await call(admin, 'PATCH', '/users/bob', { admin: true })).status, 204);
  const again = basicAuthorization('bob', password);
  assert.equal((await call(again, 'GET', '/users')).status, 200);
  assert.equal((await call(again, 'DELETE', '/users/admin')).status, 204);
  assert.equal((await call(again, 'DELETE', '/users/bob')).status, 400);
  assert.equal(
    (await call(again, 'POST', '/users', { name: 'admin', password: ADMIN_PASSWORD, admin: true })).status,
    201,
  );
  assert.equal((await call(admin, 'DELETE', '/users/bob')).status, 204);
  assert.equal((await call(again, 'GET', '/me')).status, 401);
});

test('teams and roles: what is granted holds at once', async () => {
  const eve = await registry.addUser('eve');
  const mayPull = async () =>
    (await registry.send('GET', '/v2/crew/app/tags/list', { headers: { authorization: eve } })).status !==
    403;
  assert.equal((await call(admin, 'POST', '/teams', { name: 'crew' })).status, 201);
  assert.equal((await call(admin, 'PUT', '/teams/crew/members/eve')).status, 204);
  assert.equal((await call(admin, 'PUT', '/teams/crew/members/eve', {})).status, 204);
  assert.deepEqual((await call(admin, 'GET', '/teams/crew')).json, { name: 'crew', members: ['eve'] });
  assert.equal(await mayPull(), false);
  const grant = { holder: 'team:crew', pattern: 'crew/*', role: 'reader' };
  assert.deepEqual((await call(admin, 'PUT', '/grants', grant)).json, grant);
  assert.equal(await mayPull(), true);
  assert.equal((await call(admin, 'DELETE', '/teams/crew/members/eve')).status, 204);
  assert.equal(await mayPull(), false);
  assert.equal((await call(admin, 'DELETE', '/teams/crew/members/eve')).status, 404);
  assert.equal((await call(admin, 'GET', '/teams')).json.teams.length, 1);
  assert.equal((await call(admin, 'DELETE', '/teams/crew')).status, 204);
});

test('an admin of repositories grants roles on these, and on no others', async () => {
  const on = (pattern: string, holder = 'user:eve') => ({ holder, pattern, role: 'writer' });
  assert.equal((await call(ada, 'PUT', '/grants', on('team/x*'))).status, 200);
  for (const pattern of ['*', 'team*', 'other/app', '*/team/x']) {
    assert.equal((await call(ada, 'PUT', '/grants', on(pattern))).status, 403, pattern);
  }
  const { grants } = (await call(ada, 'GET', '/grants')).json;
  assert.deepEqual(
    grants.map(({ pattern }: { pattern: string }) => pattern),
    ['team/*', 'team/x*'],
  );
  assert.equal((await call(ada, 'DELETE', '/grants?holder=user:eve&pattern=team/x*')).status, 204);
  assert.equal((await call(admin, 'PUT', '/grants', { ...on('pub/*', 'public') })).status, 400);
  assert.equal(
    (await call(admin, 'PUT', '/grants', { ...on('pub/*', 'public'), role: 'reader' })).status,
    200,
  );
});

test('maintainers see who has access to a repository, and by which role', async () => {
  const path = (query = '') => `/repositories/reach%2Fapp/access${query}`;
  const keeper = await registry.addUser('keeper', { 'reach/*': 'maintainer' });
  const reader = await registry.addUser('looker', { 'reach/app': 'reader', 'reach/other': 'writer' });
  await call(admin, 'POST', '/teams', { name: 'reachers' });
  await call(admin, 'PUT', '/teams/reachers/members/looker');
  await call(admin, 'PUT', '/grants', { holder: 'team:reachers', pattern: '*/app', role: 'writer' });
  const rule = { name: 'ci', issuer: 'https://ci.example', audience: 'berth', claims: { sub: 'x' } };
  await call(admin, 'POST', '/rules', { ...rule, role: 'writer', pattern: 'reach/*' });
  const { json } = await call(keeper, 'GET', path());
  const own = json.holders.filter(({ holder }: { holder: string }) => holder !== 'public');
  assert.deepEqual(own, [
    { holder: 'team:reachers', actions: ['pull', 'push'], role: 'writer', pattern: '*/app' },
    { holder: 'user:keeper', actions: ['pull', 'push', 'delete'], role: 'maintainer', pattern: 'reach/*' },
    { holder: 'user:looker', actions: ['pull'], role: 'reader', pattern: 'reach/app' },
    { holder: 'job:ci', actions: ['pull', 'push'], role: 'writer', pattern: 'reach/*' },
  ]);
  // Who is in a team, administrators and its members alone see.
  const teamFor = async (who: string) => {
    const { holders } = (await call(who, 'GET', path())).json;
    return holders.find(({ holder }: { holder: string }) => holder === 'team:reachers');
  };
  const members = { members: ['looker'], memberCount: 1 };
  assert.deepEqual(await teamFor(admin), { ...own[0], ...members });
  await call(admin, 'PUT', '/teams/reachers/members/keeper');
  assert.deepEqual((await teamFor(keeper)).members, ['keeper', 'looker']);
  await call(admin, 'DELETE', '/teams/reachers/members/keeper');
  assert.deepEqual(await teamFor(keeper), own[0]);
  const first = (await call(keeper, 'GET', path('?limit=1'))).json;
  assert.deepEqual(
    first.holders.map(({ holder }: { holder: string }) => holder),
    ['team:reachers', 'job:ci'],
  );
  const second = (await call(keeper, 'GET', path(`?limit=1&after=${first.next}`))).json;
  assert.deepEqual(
    second.holders.map(({ holder }: { holder: string }) => holder),
    ['user:keeper'],
  );
  for (const [who, other] of [
    [reader, path()],
    [keeper, '/repositories/secret%2Fapp/access'],
    [keeper, '/repositories/reach%2F%00/access'],
  ] as const) {
    assert.equal((await call(who, 'GET', other)).status, 403, other);
  }
  assert.equal((await call(keeper, 'GET', path('?after=x'))).status, 400);
  assert.equal((await call(admin, 'DELETE', '/rules/ci')).status, 204);
  assert.equal((await call(admin, 'DELETE', '/teams/reachers')).status, 204);
});

test('tokens: made by people, and by no token', async () => {
  const fields = { name: 'laptop', scopes: ['team/*:pull'], expiresAt: null };
  const { status, json } = await call(ada, 'POST', '/tokens', fields);
  assert.equal(status, 201);
  assert.match(json.secret, /^berth_pat_/);
  const byToken = basicAuthorization('ada', json.secret);
  assert.equal((await call(byToken, 'GET', '/me')).status, 200);
  assert.equal((await call(byToken, 'POST', '/tokens', fields)).status, 403);
  assert.equal((await call(byToken, 'PATCH', '/users/ada', { password: 'stolen password' })).status, 403);
  assert.equal((await call(byToken, 'GET', '/grants')).status, 403, 'its scopes hold here too');
  assert.equal((await call(byToken, 'DELETE', `/tokens/${json.id}`)).status, 403);
  const listed = (await call(ada, 'GET', '/tokens')).json.tokens;
  assert.deepEqual(
    listed.map(({ id, scopes, secret }: Record<string, unknown>) => [id, scopes, secret]),
    [[json.id, ['team/*:pull'], undefined]],
  );
  const eve = basicAuthorization('eve', ADMIN_PASSWORD);
  assert.equal((await call(eve, 'DELETE', `/tokens/${json.id}`)).status, 403);
  assert.equal((await call(eve, 'DELETE', '/tokens/gone')).status, 403);
  assert.equal((await call(ada, 'DELETE', `/tokens/${json.id}`)).status, 204);
  assert.equal((await call(byToken, 'GET', '/me')).status, 401);
  for (const wrong of [
    { expiresAt: '2020-01-01T00:00:00Z' },
    { scopes: ['team/*:fly'] },
    { scopes: ['../x:pull'] },
    { name: ' ' },
  ]) {
    assert.equal(
      (await call(ada, 'POST', '/tokens', { ...fields, ...wrong })).status,
      400,
      JSON.stringify(wrong),
    );
  }
});

test('logins: listed and ended', async () => {
  const query = '/token?service=berth&offline_token=true&client_id=docker';
  await registry.send('GET', query, { headers: { authorization: ada } });
  const [login] = (await call(ada, 'GET', '/logins')).json.logins;
  assert.equal(login.client, 'docker');
  const eve = basicAuthorization('eve', ADMIN_PASSWORD);
  assert.equal((await call(eve, 'DELETE', `/logins/${login.id}`)).status, 404);
  assert.equal((await call(ada, 'DELETE', `/logins/${login.id}`)).status, 204);
  assert.deepEqual((await call(ada, 'GET', '/logins')).json, { logins: [] });
});

test('robots: of people by themselves, of teams by administrators', async () => {
  const fields = { owner: 'user:ada', name: 'ci', scopes: ['team/app:pull,push'] };
  const made = (await call(ada, 'POST', '/robots', fields)).json;
  assert.equal(made.name, 'ada+ci');
  const robot = basicAuthorization('ada+ci', made.secret);
  assert.deepEqual((await call(robot, 'GET', '/me')).json, { kind: 'robot', name: 'ada+ci', admin: false });
  assert.equal((await call(robot, 'POST', '/robots', fields)).status, 403);
  assert.equal((await call(ada, 'POST', '/robots', fields)).status, 409);
  assert.equal((await call(ada, 'POST', '/robots', { ...fields, owner: 'user:eve' })).status, 403);
  assert.equal((await call(ada, 'POST', '/robots', { ...fields, name: 'x', scopes: [] })).status, 400);
  const { json: refusal } = await call(ada, 'POST', '/robots', { owner: 'user:ada', name: 'x' });
  assert.match(refusal.errors[0].message, /^a robot account needs scopes, /);
  const renewed = (await call(ada, 'POST', '/robots/ada+ci/secret', {})).json;
  assert.equal((await call(robot, 'GET', '/me')).status, 401);
  assert.equal((await call(basicAuthorization('ada+ci', renewed.secret), 'GET', '/me')).status, 200);
  await call(admin, 'POST', '/teams', { name: 'ops' });
  assert.equal((await call(ada, 'POST', '/robots', { ...fields, owner: 'team:ops' })).status, 403);
  assert.equal((await call(admin, 'POST', '/robots', { ...fields, owner: 'team:ops' })).status, 201);
  assert.equal((await call(ada, 'GET', '/robots')).json.robots.length, 1);
  assert.equal((await call(admin, 'GET', '/robots')).json.robots.length, 2);
  assert.equal((await call(ada, 'DELETE', '/robots/ops+ci')).status, 403);
  assert.equal((await call(ada, 'DELETE', '/robots/ada+ci')).status, 204);
});

test('keys are rotated by administrators', async () => {
  const before = await registry.token(ada);
  assert.equal((await call(admin, 'POST', '/keys', { now: false })).status, 201);
  const headers = { authorization: `Bearer ${before}` };
  assert.equal((await registry.send('GET', '/v2/', { headers })).status, 200);
});

test('providers: made by administrators, whose secret is never shown', async () => {
  const clientSecret = 'a secret of the client';
  const fields = {
    name: 'work',
    issuer: 'https://id.example',
    clientId: 'berth',
    clientSecret: 'client-secret',
  };
  const shown = {
    name: 'work',
    issuer: 'https://id.example',
    clientId: 'berth',
    nameClaim: 'preferred_username',
    groupsClaim: 'groups',
    groups: {},
  };
  assert.equal((await call(ada, 'POST', '/providers', fields)).status, 403);
  assert.equal((await call(ada, 'GET', '/providers')).status, 403);
  assert.deepEqual((await call(admin, 'POST', '/providers', fields)).json, shown);
  assert.equal((await call(admin, 'POST', '/providers', fields)).status, 409);
  assert.deepEqual((await call(admin, 'GET', '/providers')).json, { providers: [shown] });
  for (const wrong of [
    { name: 'Work' },
    { issuer: 'http://id.example' },
    { issuer: 'https://id.example/?x' },
    { clientId: '' },
    { clientSecret },
    { nameClaim: 'a b' },
    { groups: { developers: 'No Team' } },
  ]) {
    const answer = await call(admin, 'POST', '/providers', { ...fields, name: 'other', ...wrong });
    assert.equal(answer.status, 400, JSON.stringify(wrong));
    assert.doesNotMatch(JSON.stringify(answer.json), new RegExp(clientSecret));
  }
  assert.equal((await call(ada, 'DELETE', '/providers/work')).status, 403);
  assert.equal((await call(admin, 'DELETE', '/providers/work')).status, 204);
  assert.equal((await call(admin, 'DELETE', '/providers/work')).status, 404);
});

test('a page of another site can change nothing', async () => {
  for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data', '']) {
    for (const [method, path] of [
      ['POST', '/users'],
      ['PUT', '/grants'],
      ['PATCH', '/users/ada'],
    ] as const) {
      const headers = { authorization: admin, ...(type !== '' && { 'Content-Type': type }) };
      const body = JSON.stringify({ name: 'mallory', admin: true });
      const { status } = await registry.send(method, `/api/v1${path}`, { headers, body });
      assert.equal(status, 415, `${method} ${type}`);
    }
  }
  const preflight = await registry.send('OPTIONS', '/api/v1/users/ada', {
    headers: { origin: 'https://evil.example', 'access-control-request-method': 'DELETE' },
  });
  assert.equal(preflight.headers['access-control-allow-origin'], undefined);
});

test('what is no JSON object of known fields is refused', async () => {
  for (const body of [
    '',
    '{',
    '[]',
    'null',
    '"x"',
    '{"name":1}',
    '{"name":"x","more":1}',
    `{"name":"${'x'.repeat(70_000)}"}`,
  ]) {
    const answer = await registry.send('POST', '/api/v1/users', {
      headers: { authorization: admin, 'Content-Type': 'application/json' },
      body,
    });
    assert.equal(answer.status, 400, body.slice(0, 40));
  }
  for (const name of ['', 'Ada', 'a:b', 'a+b', 'a/b', '.a', 'a b', 'x'.repeat(200)]) {
    assert.equal((await call(admin, 'POST', '/users', { name })).status, 400, name);
  }
  assert.equal((await call(admin, 'POST', '/users', { name: 'short', password: 'short' })).status, 400);
});

test('a stream of the audit ends with the token that began it', async () => {
  const fields = { name: 'watcher', scopes: ['registry:audit'], expiresAt: null };
  const { json } = await call(admin, 'POST', '/tokens', fields);
  const stream = await fetch(`${registry.url}/api/v1/audit/stream`, {
    headers: { authorization: basicAuthorization('admin', json.secret) },
    signal: AbortSignal.timeout(LONGEST_WAIT),
  });
  assert.equal(stream.status, 200);
  assert.equal((await call(admin, 'DELETE', `/tokens/${json.id}`)).status, 204);
  assert.doesNotMatch(await stream.text(), /berth_pat_/, 'it ends');
});
