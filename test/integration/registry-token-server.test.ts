import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { parseLimits } from '../../auth/administration/limits.ts';
import { makePersonalToken, makeRobot } from '../../auth/administration/make-credential.ts';
import { hashSecret, makeSecret } from '../../auth/credentials/secret.ts';
import { parseTrustedProxies } from '../../server/http/forwarded.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { expectError } from '../support/registry-error.ts';
import { ADMIN_PASSWORD, startRegistryWithAccounts } from '../support/registry-with-accounts.ts';

const registry = await startRegistryWithAccounts({ after });
const ada = await registry.addUser('ada', { 'team/*': 'writer' });
await registry.store.roles.put({ holder: { kind: 'public' }, pattern: 'pub/*', role: 'reader' });
await registry.admin.pushImage('team/app', '1');
await registry.admin.pushImage('pub/app', '1');
const form = { 'Content-Type': 'application/x-www-form-urlencoded' };

/** What may be done again after a while may not be so because the machine is slow. */
function standStill(t: TestContext): void {
  const now = performance.now();
  t.mock.method(performance, 'now', () => now);
}

async function post(fields: Readonly<Record<string, string>>, headers: Record<string, string> = form) {
  const answer = await registry.send('POST', '/token', {
    body: new URLSearchParams(fields).toString(),
    headers,
  });
  return { answer, json: JSON.parse(answer.body.toString()) };
}

async function get(query: string, authorization?: string) {
  const headers = authorization === undefined ? {} : { authorization };
  const answer = await registry.send('GET', `/token?${query}`, { headers });
  return { answer, json: JSON.parse(answer.body.toString()) };
}

const refresh = (refresh_token: string, more: Readonly<Record<string, string>> = {}) =>
  post({ grant_type: 'refresh_token', service: 'berth', refresh_token, ...more });

const login = async () =>
  (await get('service=berth&offline_token=true&client_id=docker', ada)).json.refresh_token;

test('what is granted is what was asked for and may be, each repository once', async () => {
  const scopes = [
    'repository:team/app:pull,push,delete',
    'repository:other/app:pull',
    'repository:team/b:pull repository:team/b:push',
    'repository(plugin):team/plugin:pull',
    'registry:catalog:*',
    'nonsense',
    'repository:team/../other/app:pull',
    'repository:team/*:pull',
    'repository:pub/app:pull,push',
  ];
  const query = new URLSearchParams(scopes.map((scope) => ['scope', scope]));
  const { answer, json } = await get(`service=berth&account=ada&${query}`, ada);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['cache-control'], 'no-store');
  assert.equal(json.token, json.access_token);
  assert.equal(json.expires_in, 300);
  // By the client's own clock, whatever this one says, the token has its whole life from now on.
  assert.equal(json.issued_at, undefined);
  assert.equal(json.refresh_token, undefined);
  const { access, sub, aud, iss, exp = 0, iat = 0 } = decodeJwt(json.token);
  assert.deepEqual(access, [
    { type: 'repository', name: 'team/app', actions: ['pull', 'push'] },
    { type: 'repository', name: 'team/b', actions: ['pull', 'push'] },
    { type: 'repository', name: 'team/plugin', actions: ['pull'] },
    { type: 'registry', name: 'catalog', actions: ['*'] },
    { type: 'repository', name: 'pub/app', actions: ['pull'] },
  ]);
  assert.deepEqual([sub, aud, iss, exp - iat], ['ada', 'berth', 'berth', 300]);
});

test('nobody gets a token for what is public, and nothing else', async () => {
  const token = await registry.token(
    undefined,
    'repository:pub/app:pull,push',
    'repository:team/app:pull',
    'registry:catalog:*',
  );
  assert.deepEqual(decodeJwt(token).access, [{ type: 'repository', name: 'pub/app', actions: ['pull'] }]);
  const headers = { authorization: `Bearer ${token}` };
  assert.equal((await registry.send('GET', '/v2/', { headers })).status, 200);
  assert.equal((await registry.send('GET', '/v2/pub/app/manifests/1', { headers })).status, 200);
  assert.equal((await registry.send('GET', '/v2/pub/app/manifests/1')).status, 200);
  const refused = await registry.send('GET', '/v2/team/app/manifests/1', { headers });
  expectError(refused, 401, 'UNAUTHORIZED');
  assert.equal(
    refused.headers['www-authenticate'],
    `Bearer realm="${registry.url}/token",service="berth",scope="repository:team/app:pull",error="insufficient_scope"`,
  );
  const { answer } = await get('service=berth&offline_token=true');
  assert.equal(JSON.parse(answer.body.toString()).refresh_token, undefined);
});

test('the challenge names what the request needs, and the realm as the client calls this server', async () => {
  const mount = '/v2/team/app/blobs/uploads/?mount=sha256:0&from=other/app';
  const answer = await registry.send('POST', mount, { headers: { host: 'registry.example:8443' } });
  assert.equal(
    answer.headers['www-authenticate'],
    'Bearer realm="http://registry.example:8443/token",service="berth",' +
      'scope="repository:team/app:pull,push repository:other/app:pull"',
  );
  const strange = await registry.send('GET', '/v2/', { headers: { host: 'a"b' } });
  assert.equal(strange.headers['www-authenticate'], 'Basic realm="berth"');
});

test('wrong credentials are refused in the words of both protocols', async () => {
  for (const { answer, json } of [
    await get('service=berth', basicAuthorization('ada', 'wrong')),
    await get('service=berth', `Bearer ${await registry.token(ada)}`),
    await get('service=berth', 'nonsense'),
    await post({ grant_type: 'password', service: 'berth', username: 'ada', password: 'wrong' }),
    await refresh('berth_ref_wrong'),
    await refresh(''),
  ]) {
    assert.equal(answer.status, 401);
    assert.equal(json.error, 'invalid_grant');
    assert.equal(json.errors[0].code, 'UNAUTHORIZED');
  }
});

test('what is no request for a token is 400', async () => {
  for (const { answer, json } of [
    await get('service=another', ada),
    await post({ grant_type: 'client_credentials' }),
    await post({}),
    await post({ grant_type: 'password', username: 'ada' }, { 'Content-Type': 'application/json' }),
    await post({ grant_type: 'password', padding: 'x'.repeat(20_000) }),
  ]) {
    assert.equal(answer.status, 400);
    assert.match(json.error, /^(invalid_request|unsupported_grant_type)$/);
  }
});

test('OAuth2: a password gives a token, and a login when it is asked for', async () => {
  const fields = { grant_type: 'password', service: 'berth', username: 'ada', password: ADMIN_PASSWORD };
  const scope = 'repository:team/app:pull repository:team/b:pull,delete';
  const once = (await post({ ...fields, scope })).json;
  assert.equal(once.scope, 'repository:team/app:pull repository:team/b:pull');
  assert.equal(once.refresh_token, undefined);
  const kept = (await post({ ...fields, access_type: 'offline' })).json.refresh_token;
  assert.match(kept, /^berth_ref_[0-9A-Za-z]{36}$/);
  assert.equal(
    (await refresh(kept, { scope: 'repository:team/app:push' })).json.scope,
    'repository:team/app:push',
  );
});

test('docker keeps one refresh token and uses it again and again', async () => {
  const token = await login();
  for (let round = 0; round < 3; round += 1) {
    const { answer, json } = await refresh(token, { scope: 'repository:team/app:pull' });
    assert.equal(answer.status, 200);
    assert.equal(json.refresh_token, undefined);
  }
});

test('a refresh token that was rotated ends all of its family when it is used again', async () => {
  const [first, bystander] = [await login(), await login()];
  const second = (await refresh(first, { access_type: 'offline' })).json.refresh_token;
  const third = (await refresh(second, { access_type: 'offline' })).json.refresh_token;
  assert.equal(new Set([first, second, third]).size, 3);
  assert.equal((await refresh(third)).answer.status, 200);
  const reused = await refresh(second);
  assert.equal(reused.answer.status, 401);
  assert.match(reused.json.error_description, /used after another had taken its place/);
  for (const token of [first, second, third]) assert.equal((await refresh(token)).answer.status, 401);
  assert.equal((await refresh(bystander)).answer.status, 200);
});

test('of two who rotate the same refresh token at the same time none keeps it', async () => {
  const token = await login();
  const answers = await Promise.all([
    refresh(token, { access_type: 'offline' }),
    refresh(token, { access_type: 'offline' }),
  ]);
  assert.deepEqual(answers.map(({ answer }) => answer.status).sort(), [200, 401]);
  const won = answers.find(({ answer }) => answer.status === 200);
  assert.equal((await refresh(won?.json.refresh_token)).answer.status, 401);
});

test('a refresh token ends with the password, the token it was made with, and the account', async () => {
  const bob = await registry.addUser('bob', { 'team/*': 'reader' });
  const offline = 'service=berth&offline_token=true';
  const { credential, secret } = await makePersonalToken(registry.store.credentials, 'bob', 'x', {});
  const byPassword = (await get(offline, bob)).json.refresh_token;
  const byToken = (await get(offline, basicAuthorization('bob', secret))).json.refresh_token;
  const all = async () => [(await refresh(byPassword)).answer.status, (await refresh(byToken)).answer.status];
  assert.deepEqual(await all(), [200, 200]);
  await registry.store.credentials.remove(credential.id);
  assert.deepEqual(await all(), [200, 401]);
  await registry.store.accounts.update('bob', {
    passwordHash: (await registry.store.accounts.find('ada'))?.passwordHash,
  });
  assert.deepEqual(await all(), [401, 401]);
  const again = (await get(offline, bob)).json.refresh_token;
  assert.equal((await refresh(again)).answer.status, 200);
  await registry.store.accounts.remove('bob');
  assert.equal((await refresh(again)).answer.status, 401);
});

test('roles that change hold for the next token', async () => {
  const eve = await registry.addUser('eve', { 'team/*': 'writer' });
  const kept = (await get('service=berth&offline_token=true', eve)).json.refresh_token;
  const scope = 'repository:team/app:pull,push';
  assert.equal((await refresh(kept, { scope })).json.scope, scope);
  const holder = { kind: 'user', name: 'eve' } as const;
  await registry.store.roles.put({ holder, pattern: 'team/*', role: 'reader' });
  assert.equal((await refresh(kept, { scope })).json.scope, 'repository:team/app:pull');
  await registry.store.roles.remove(holder, 'team/*');
  assert.equal((await refresh(kept, { scope })).json.scope, '');
  await registry.store.teams.create('crew');
  await registry.store.teams.join('crew', 'eve');
  await registry.store.roles.put({ holder: { kind: 'team', name: 'crew' }, pattern: '*', role: 'writer' });
  assert.equal((await refresh(kept, { scope })).json.scope, scope);
});

test('a credential bounds its tokens and their lives', async () => {
  const expiresAt = new Date(Date.now() + 250_000);
  const limits = [{ pattern: 'team/a*', actions: ['pull', 'push'] }] as const;
  const { secret } = await makePersonalToken(registry.store.credentials, 'ada', 'short', {
    limits,
    expiresAt,
  });
  const authorization = basicAuthorization('ada', secret);
  const token = await registry.token(
    authorization,
    'repository:team/app:pull,delete',
    'repository:team/b:pull',
  );
  const { access, exp = 0 } = decodeJwt(token);
  assert.deepEqual(access, [{ type: 'repository', name: 'team/app', actions: ['pull'] }]);
  assert.ok(exp * 1000 <= expiresAt.getTime());
  const direct = (path: string) => registry.send('GET', path, { headers: { authorization } });
  assert.equal((await direct('/v2/team/app/manifests/1')).status, 200);
  expectError(await direct('/v2/pub/app/manifests/1'), 403, 'DENIED');
  const stolen = basicAuthorization('bob', secret);
  assert.equal((await registry.send('GET', '/v2/', { headers: { authorization: stolen } })).status, 401);
});

test('a token of a person ends in time, also one that is remembered', async (t) => {
  const { credentials } = registry.store;
  const expiresAt = new Date(Date.now() + 900_000);
  const [used, unused] = await Promise.all([
    makePersonalToken(credentials, 'ada', 'used', { expiresAt }),
    makePersonalToken(credentials, 'ada', 'unused', { expiresAt }),
  ]);
  const ask = async ({ secret }: typeof used) => {
    const headers = { authorization: basicAuthorization('ada', secret) };
    return (await registry.send('GET', '/v2/', { headers })).status;
  };
  for (let round = 0; round < 3; round += 1) assert.equal(await ask(used), 200);
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 901_000 });
  assert.deepEqual([await ask(used), await ask(unused)], [401, 401]);
});

test('a login ends 90 days after its last use', async (t) => {
  const [used, unused] = [await login(), await login()];
  const day = 24 * 60 * 60 * 1000;
  const begun = Date.now();
  t.mock.timers.enable({ apis: ['Date'], now: begun + 60 * day });
  assert.equal((await refresh(used)).answer.status, 200);
  t.mock.timers.setTime(begun + 91 * day);
  assert.deepEqual([(await refresh(used)).answer.status, (await refresh(unused)).answer.status], [200, 401]);
  t.mock.timers.setTime(begun + 200 * day);
  assert.equal((await refresh(used)).answer.status, 401);
});

test('a login counts for the service that it was made for', async (t) => {
  const tokens = { challenge: 'bearer', issuer: 'berth', life: 300, services: ['berth', 'other'] } as const;
  const both = await startRegistryWithAccounts(t, { tokens });
  const authorization = basicAuthorization('admin', ADMIN_PASSWORD);
  const answer = await both.send('GET', '/token?service=other&offline_token=true', {
    headers: { authorization },
  });
  const { token, refresh_token } = JSON.parse(answer.body.toString());
  assert.equal(decodeJwt(token).aud, 'other');
  const headers = { authorization: `Bearer ${token}` };
  assert.equal((await both.send('GET', '/v2/', { headers })).status, 401);
  for (const [service, status] of [
    ['other', 200],
    ['berth', 401],
  ] as const) {
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token, service }).toString();
    assert.equal((await both.send('POST', '/token', { headers: form, body })).status, status);
  }
});

test('who asks for too many tokens is told to wait, and nobody else is', async (t) => {
  standStill(t);
  const tokens = { challenge: 'bearer', issuer: 'berth', life: 300, limit: 3, services: ['berth'] } as const;
  const limited = await startRegistryWithAccounts(t, {
    tokens,
    trustedProxies: parseTrustedProxies(['127.0.0.1']),
  });
  const users = [await limited.addUser('ada', {}), await limited.addUser('bob', {})] as const;
  const ask = (authorization: string | undefined, address: string) =>
    limited.send('GET', '/token?offline_token=true', {
      headers: { 'x-forwarded-for': address, ...(authorization !== undefined && { authorization }) },
    });
  const first = JSON.parse((await ask(users[0], '192.0.2.1')).body.toString());
  for (const address of ['192.0.2.2', '192.0.2.3']) assert.equal((await ask(users[0], address)).status, 200);
  const refused = await ask(users[0], '192.0.2.4');
  expectError(refused, 429, 'TOOMANYREQUESTS');
  assert.match(
    JSON.parse(refused.body.toString()).errors[0].message,
    /too many tokens were requested by this account/,
  );
  assert.match(refused.headers['retry-after'] ?? '', /^[1-9]\d*$/);
  const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: first.refresh_token });
  const refreshed = await limited.send('POST', '/token', { headers: form, body: body.toString() });
  assert.equal(refreshed.status, 429, 'however they show who they are');
  assert.equal((await ask(users[1], '192.0.2.1')).status, 200);
  for (let turn = 0; turn < 15; turn++) await ask(undefined, '192.0.2.9');
  const crowded = await ask(undefined, '192.0.2.9');
  assert.match(JSON.parse(crowded.body.toString()).errors[0].message, /from this address/);
  assert.equal(crowded.status, 429);
  const guess = await ask(basicAuthorization('bob', makeSecret('pat')), '192.0.2.9');
  assert.equal(guess.status, 429, 'what fails is counted too');
  assert.equal((await ask(users[1], '192.0.2.9')).status, 200, 'whoever shows who they are is not');
  // Tokens that are out go on.
  const headers = { authorization: `Bearer ${first.token}` };
  assert.equal((await limited.send('GET', '/v2/', { headers })).status, 200);
});

test('the keys are published, without their private part', async () => {
  const answer = await registry.send('GET', '/.well-known/jwks.json');
  const { keys } = JSON.parse(answer.body.toString());
  const { kid, alg } = decodeProtectedHeader(await registry.token(undefined));
  assert.equal(alg, 'ES256');
  assert.deepEqual(
    keys.map((key: Record<string, unknown>) => [key.kid, key.alg, key.use, Object.keys(key).includes('d')]),
    [[kid, 'ES256', 'sig', false]],
  );
});

test('behind a proxy, below a path, and for clients that shall send their password each time', async (t) => {
  const proxied = await startRegistryWithAccounts(t, {
    pathPrefix: '/registry',
    trustedProxies: parseTrustedProxies(['127.0.0.1']),
  });
  const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'registry.example' };
  const asked = await proxied.send('GET', '/registry/v2/', { headers });
  assert.equal(
    asked.headers['www-authenticate'],
    'Bearer realm="https://registry.example/registry/token",service="berth"',
  );
  assert.equal((await proxied.send('GET', '/registry/token')).status, 200);
  assert.equal((await proxied.send('GET', '/token')).status, 404);
  assert.equal((await proxied.send('GET', '/registry/.well-known/jwks.json')).status, 200);

  const tokens = { challenge: 'basic', issuer: 'berth', life: 300, services: ['berth'] } as const;
  const basic = await startRegistryWithAccounts(t, { tokens });
  assert.equal((await basic.send('GET', '/v2/')).headers['www-authenticate'], 'Basic realm="berth"');
  assert.equal((await basic.admin.send('GET', '/v2/')).status, 200);
  const authorization = `Bearer ${await basic.token(basicAuthorization('admin', ADMIN_PASSWORD))}`;
  assert.equal((await basic.send('GET', '/v2/', { headers: { authorization } })).status, 200);
});

test('whoever logs in with a token or a robot whose time has ended hears that', async (t) => {
  const own = await startRegistryWithAccounts(t);
  await own.addUser('eve');
  const { credentials } = own.store;
  const token = await makePersonalToken(credentials, 'eve', 'laptop', {});
  const limits = parseLimits(['team/*:pull']);
  const robot = await makeRobot(credentials, { kind: 'user', name: 'eve' }, 'ci', { limits });
  for (const { credential, secret } of [token, robot]) {
    await credentials.replaceSecret(credential.id, hashSecret(secret), new Date('2026-01-02'));
  }
  for (const [user, secret, message] of [
    ['eve', token.secret, /the token \\"laptop\\" of eve ended on 2026-01-02/],
    ['eve+ci', robot.secret, /the secret of the robot eve\+ci ended on 2026-01-02/],
    ['eve', `${token.secret.slice(0, -1)}?`, /wrong/],
  ] as const) {
    const headers = { authorization: basicAuthorization(user, secret) };
    for (const path of ['/token?service=berth', '/v2/']) {
      const answer = await own.send('GET', path, { headers });
      assert.equal(answer.status, 401);
      assert.match(answer.body.toString(), message);
    }
  }
});
