import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeSecret } from '../../auth/credentials/secret.ts';
import { PasswordHasher } from '../../auth/passwords/password-hasher.ts';
import { parseTrustedProxies } from '../../server/http/forwarded.ts';
import { basicAuthorization, sendRequest } from '../support/http-client.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { createRegistryClient, digestOf } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';
import { ADMIN_PASSWORD, startRegistryWithAccounts } from '../support/registry-with-accounts.ts';

const PASSWORD = 'a password of tests';

test('without credentials every route asks for them, by one challenge', async (t) => {
  const registry = await startInProcessRegistry(t, { auth: 'accounts', adminPassword: PASSWORD });
  const digest = digestOf('x');
  const upload = '/v2/team/app/blobs/uploads/00000000-0000-4000-8000-000000000000';
  for (const [method, path] of [
    ['GET', '/v2/'],
    ['GET', '/v2/_catalog'],
    ['GET', '/v2/team/app/tags/list'],
    ['GET', '/v2/team/app/manifests/1'],
    ['PUT', '/v2/team/app/manifests/1'],
    ['DELETE', '/v2/team/app/manifests/1'],
    ['GET', `/v2/team/app/blobs/${digest}`],
    ['DELETE', `/v2/team/app/blobs/${digest}`],
    ['POST', '/v2/team/app/blobs/uploads/'],
    ['POST', `/v2/team/app/blobs/uploads/?mount=${digest}&from=team/b`],
    ['GET', upload],
    ['PATCH', upload],
    ['PUT', `${upload}?digest=${digest}`],
    ['DELETE', upload],
    ['GET', `/v2/team/app/referrers/${digest}`],
  ] as const) {
    const answer = await registry.send(method, path);
    expectError(answer, 401, 'UNAUTHORIZED');
    const challenge = answer.headers['www-authenticate'] ?? '';
    assert.ok(challenge.startsWith(`Bearer realm="${registry.url}/token",service="berth"`), challenge);
  }
  for (const path of ['/v2/', '/v2/team/app/manifests/1', `/v2/team/app/blobs/${digest}`]) {
    const head = await registry.send('HEAD', path);
    assert.equal(head.status, 401);
    assert.match(head.headers['www-authenticate'] ?? '', /^Bearer realm="/);
  }
});

test('the administrator may do everything', async (t) => {
  const registry = await startInProcessRegistry(t, { auth: 'accounts', adminPassword: PASSWORD });
  const admin = createRegistryClient(registry.url, { name: 'admin', password: PASSWORD });
  assert.equal((await admin.send('GET', '/v2/')).status, 200);
  const { bytes } = await admin.pushImage('team/app', '1');
  assert.deepEqual((await admin.send('GET', '/v2/team/app/manifests/1')).body, bytes);
  assert.equal((await admin.send('GET', '/v2/_catalog')).status, 200);
  assert.equal((await admin.send('DELETE', '/v2/team/app/manifests/1')).status, 202);
  expectError(await registry.send('GET', '/v2/team/app/manifests/1'), 401, 'UNAUTHORIZED');
});

test('wrong credentials: 401 with the challenge, also where none are needed', async (t) => {
  const registry = await startInProcessRegistry(t, { auth: 'accounts', adminPassword: PASSWORD });
  for (const authorization of [
    basicAuthorization('admin', 'wrong'),
    basicAuthorization('nobody', PASSWORD),
    basicAuthorization('admin', ''),
    'Bearer abc',
    'nonsense',
    `Basic ${'A'.repeat(10_000)}`,
  ]) {
    const answer = await registry.send('GET', '/v2/', { headers: { authorization } });
    expectError(answer, 401, 'UNAUTHORIZED');
    assert.match(answer.headers['www-authenticate'] ?? '', /^Bearer realm="/);
  }
});

test('the password is printed once when it was made, and never logged', async (t) => {
  const first = await startInProcessRegistry(t, { auth: 'accounts' });
  const password = /^ {2}password {2}(\S{20,})$/m.exec(first.printed.join('\n'))?.[1];
  assert.ok(password !== undefined, first.printed.join('\n'));
  const user = { name: 'admin', password };
  assert.equal((await sendRequest(`${first.url}/v2/`, { user })).status, 200);
  await sendRequest(`${first.url}/v2/team/app/manifests/1?token=${password}`, { user });
  const lines = first.logged.join('');
  for (const secret of [password, basicAuthorization('admin', password).slice(6)]) {
    assert.equal(lines.includes(secret), false);
  }
  assert.ok(first.logged.some((line) => JSON.parse(line).user === 'admin'));
  await first.stop();

  const second = await startInProcessRegistry(t, { auth: 'accounts', data: first.data });
  assert.deepEqual(second.printed, []);
  assert.equal((await sendRequest(`${second.url}/v2/`, { user })).status, 200);
});

test('an open registry needs no credentials, looks at none, and warns in its log', async (t) => {
  const registry = await startInProcessRegistry(t);
  assert.equal((await registry.send('GET', '/v2/')).status, 200);
  const headers = { authorization: basicAuthorization('admin', 'whatever') };
  assert.equal((await registry.send('GET', '/v2/', { headers })).status, 200);
  assert.ok(registry.logged.some((line) => JSON.parse(line).level === 40 && line.includes('--auth none')));
  assert.deepEqual(registry.printed, []);
});

test('too many wrong passwords get 429, on every way to log in', async (t) => {
  const registry = await startInProcessRegistry(t, { auth: 'accounts', adminPassword: PASSWORD });
  const attempt = (path: string, password: string) =>
    registry.send('GET', path, { headers: { Authorization: basicAuthorization('admin', password) } });
  for (let turn = 0; turn < 10; turn++) assert.equal((await attempt('/v2/', `wrong ${turn}`)).status, 401);
  // Each failure doubles the wait: on a slow machine the first ones are over.
  for (const path of ['/v2/', '/token?service=berth', '/api/v1/me']) {
    let answer = await attempt(path, 'more 0');
    for (let turn = 1; turn < 10 && answer.status === 401; turn++)
      answer = await attempt(path, `more ${turn}`);
    expectError(answer, 429, 'TOOMANYREQUESTS');
    assert.match(answer.headers['retry-after'] ?? '', /^[1-9]\d*$/);
  }
});

test('failures in the name of a robot or a person do not lock them out', async (t) => {
  const registry = await startRegistryWithAccounts(t, {
    trustedProxies: parseTrustedProxies(['127.0.0.1']),
  });
  const robot = await registry.addRobot('ci', 'team/*:pull');
  const ada = await registry.addUser('ada');
  const from = (address: string, authorization: string) =>
    registry.send('GET', '/v2/', { headers: { authorization, 'X-Forwarded-For': address } });
  const admin = basicAuthorization('admin', ADMIN_PASSWORD);
  assert.equal((await from('10.0.0.1', admin)).status, 200);
  for (let turn = 0; turn < 184; turn += 1) {
    const address = `10.0.0.${(turn % 2) + 1}`;
    const secret = turn % 4 < 2 ? makeSecret('bot') : makeSecret('pat');
    assert.equal((await from(address, basicAuthorization('admin+ci', secret))).status, 401);
    assert.equal((await from(address, basicAuthorization('admin', 'a stale pull secret'))).status, 401);
  }
  // Each wrong password counts once.
  const guess = (turn: number) => from('10.0.0.4', basicAuthorization('admin', `guess ${turn}`));
  for (let turn = 0; turn < 10; turn += 1) assert.equal((await guess(turn)).status, 401);
  assert.equal((await guess(10)).status, 429);
  assert.equal((await from('10.0.0.4', ada)).status, 200, 'another account where they failed');
  for (const address of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) {
    assert.equal((await from(address, robot)).status, 200, `the robot from ${address}`);
    assert.equal((await from(address, admin)).status, 200, `the administrator from ${address}`);
  }
});

test('a cached login of one address does not reveal the password to another', async (t) => {
  const registry = await startRegistryWithAccounts(t, {
    trustedProxies: parseTrustedProxies(['127.0.0.1']),
  });
  const attempt = (address: string, password: string) =>
    registry.send('GET', '/v2/', {
      headers: { authorization: basicAuthorization('admin', password), 'X-Forwarded-For': address },
    });
  assert.equal((await attempt('10.0.0.1', ADMIN_PASSWORD)).status, 200);
  assert.equal((await attempt('10.0.0.1', ADMIN_PASSWORD)).status, 200, 'by what is remembered');
  let refused = await attempt('10.0.0.2', 'wrong');
  for (let turn = 0; turn < 20 && refused.status === 401; turn++) {
    refused = await attempt('10.0.0.2', `wrong ${turn}`);
  }
  assert.equal(refused.status, 429);
  assert.equal((await attempt('10.0.0.2', ADMIN_PASSWORD)).status, 429);
});

test('changing a password needs the current one, in the same queue as logins', async (t) => {
  const registry = await startRegistryWithAccounts(t);
  const ada = await registry.addUser('ada');
  const { mock } = t.mock.method(PasswordHasher.prototype, 'verify');
  const change = (currentPassword: string) =>
    registry.send('PATCH', '/api/v1/users/ada', {
      headers: { authorization: ada, 'Content-Type': 'application/json' },
      body: JSON.stringify({ password: 'another password', currentPassword }),
    });
  for (let turn = 0; turn < 100; turn += 1) {
    assert.equal((await change('the same wrong password')).status, 403);
  }
  assert.equal(mock.callCount(), 2, 'the login, and a wrong password once');
  // As many as would be refused without a login from here.
  for (let turn = 0; turn < 12; turn += 1) assert.equal((await change(`wrong ${turn}`)).status, 403);
  assert.equal((await change(ADMIN_PASSWORD)).status, 204);
  assert.ok(mock.calls.every(({ arguments: [, , turn] }) => turn?.place.keys[1] === 'ada'));
});
