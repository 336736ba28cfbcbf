import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { type CryptoKey, exportJWK, generateKeyPair, importJWK, type JWTPayload, SignJWT } from 'jose';
import { rotateKeys } from '../../auth/tokens/key-ring.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { digestOf } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';
import { startRegistryWithAccounts } from '../support/registry-with-accounts.ts';

const registry = await startRegistryWithAccounts({ after });
await registry.admin.pushImage('team/app', '1');
const MANIFEST = '/v2/team/app/manifests/1';
const now = () => Math.floor(Date.now() / 1000);

// A first token makes the key.
await registry.token(undefined);
const [stored] = await registry.store.keys.list(new Date());
assert.ok(stored !== undefined);
const ownKey = (await importJWK(stored.privateKey, 'ES256')) as CryptoKey;
const { privateKey: strangeKey } = await generateKeyPair('ES256');

const GOOD: JWTPayload = {
  iss: 'berth',
  aud: 'berth',
  sub: 'ada',
  exp: now() + 3600,
  nbf: now(),
  access: [{ type: 'repository', name: 'team/app', actions: ['pull'] }],
};

function sign(claims: JWTPayload, key: CryptoKey | Uint8Array = ownKey, header = {}): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: stored?.id ?? '', ...header }).sign(key);
}

const unsigned = (claims: JWTPayload, alg: string) =>
  `${[{ alg, kid: stored.id }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.`;

const ask = (token: string, path = MANIFEST) =>
  registry.send('GET', path, { headers: { authorization: `Bearer ${token}` } });

const { exp: _end, ...endless } = GOOD;
const publicJwk = JSON.stringify({ ...stored.privateKey, d: undefined });
const good = await sign(GOOD);
const [head = '', , signature = ''] = good.split('.');
const more = {
  ...GOOD,
  access: [{ type: 'repository', name: 'team/app', actions: ['pull', 'push', 'delete'] }],
};

// All that is waited for comes before the first test: when one has ended and no other is known, the suite is over.
const REFUSED = [
  ['no algorithm', unsigned(GOOD, 'none')],
  ['no algorithm, written otherwise', unsigned(GOOD, 'nOnE')],
  ['a signature of nothing', `${unsigned(GOOD, 'ES256')}`],
  ['the public key as a shared secret', await sign(GOOD, Buffer.from(publicJwk), { alg: 'HS256' })],
  ['another key under the name of the right one', await sign(GOOD, strangeKey)],
  [
    'a key of its own in its header',
    await sign(GOOD, strangeKey, {
      kid: undefined,
      jwk: await exportJWK((await generateKeyPair('ES256')).publicKey),
    }),
  ],
  ['a key that nobody knows', await sign(GOOD, strangeKey, { kid: 'unknown' })],
  ['a key name that is a path', await sign(GOOD, strangeKey, { kid: '../../etc/passwd' })],
  ['another service', await sign({ ...GOOD, aud: 'another' })],
  ['no service', await sign({ ...GOOD, aud: [] })],
  ['another issuer', await sign({ ...GOOD, iss: 'another' })],
  ['an end in the past', await sign({ ...GOOD, exp: now() - 60 })],
  ['no end', await sign(endless)],
  ['a beginning in the future', await sign({ ...GOOD, nbf: now() + 600 })],
  ['altered scopes', `${head}.${Buffer.from(JSON.stringify(more)).toString('base64url')}.${signature}`],
  ['no dots', 'abc'],
  ['empty parts', '..'],
  ['10 KB', 'A'.repeat(10_000)],
  [
    '10 KB in a header of a token',
    `${Buffer.from(`{"alg":"ES256","kid":"${'A'.repeat(7000)}"}`).toString('base64url')}.e30.AAAA`,
  ],
] as const;

test('a token that is as it must be lets in, at first and out of memory', async () => {
  const token = await sign(GOOD);
  for (let round = 0; round < 3; round += 1) assert.equal((await ask(token)).status, 200);
});

for (const [what, token] of REFUSED) {
  test(`a token with ${what} is refused as invalid`, async () => {
    for (let round = 0; round < 2; round += 1) {
      const answer = await ask(token);
      expectError(answer, 401, 'UNAUTHORIZED');
      assert.match(
        String(answer.headers['www-authenticate']),
        /^Bearer realm="[^"]+",service="berth",error="invalid_token"$/,
      );
    }
  });
}

for (const [what, access] of [
  ['names no actions', [{ type: 'repository', name: 'team/app' }]],
  ['names a pattern', [{ type: 'repository', name: '*', actions: ['pull'] }]],
  ['names another repository', [{ type: 'repository', name: 'team/app2', actions: ['pull'] }]],
  ['walks upwards', [{ type: 'repository', name: 'team/x/../app', actions: ['pull'] }]],
  ['is encoded', [{ type: 'repository', name: 'team%2Fapp', actions: ['pull'] }]],
  ['is of another type', [{ type: 'registry', name: 'team/app', actions: ['pull'] }]],
  ['pushes only', [{ type: 'repository', name: 'team/app', actions: ['push'] }]],
  ['is no list', 'repository:team/app:pull'],
  ['is nothing', undefined],
] as const) {
  test(`a token whose access ${what} is not enough`, async () => {
    const answer = await ask(await sign({ ...GOOD, access }));
    expectError(answer, 401, 'UNAUTHORIZED');
    assert.match(
      String(answer.headers['www-authenticate']),
      /scope="repository:team\/app:pull",error="insufficient_scope"$/,
    );
  });
}

test('a token says no more about other routes than about its own', async () => {
  const token = await sign(GOOD);
  for (const [method, path] of [
    ['PUT', MANIFEST],
    ['DELETE', MANIFEST],
    ['POST', '/v2/team/app/blobs/uploads/'],
    ['GET', '/v2/_catalog'],
    ['GET', '/v1/search?q=x'],
    ['GET', `/v2/team/other/blobs/${digestOf('x')}`],
  ] as const) {
    const answer = await registry.send(method, path, { headers: { authorization: `Bearer ${token}` } });
    expectError(answer, 401, 'UNAUTHORIZED');
  }
  const management = await ask(token, '/api/v1/me');
  expectError(management, 401, 'UNAUTHORIZED');
  assert.equal(management.headers['www-authenticate'], 'Basic realm="berth"');
});

test('a token ends although it was remembered', async (t) => {
  const token = await sign({ ...GOOD, exp: now() + 600 });
  for (let round = 0; round < 3; round += 1) assert.equal((await ask(token)).status, 200);
  // Clocks may differ by half a minute.
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 631_000 });
  expectError(await ask(token), 401, 'UNAUTHORIZED');
});

test('a new key signs, and tokens of the one before count on until it is withdrawn', async (t) => {
  const before = await registry.token(undefined);
  await ask(before, '/v2/');
  const second = await rotateKeys(registry.store.keys);
  // Servers look for keys every ten seconds, and at once for one that they do not know.
  const signed = await sign(GOOD, (await importJWK(second.privateKey, 'ES256')) as CryptoKey, {
    kid: second.id,
  });
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 2000 });
  assert.equal((await ask(signed)).status, 200);
  assert.equal((await ask(before, '/v2/')).status, 200);
  assert.notEqual((await registry.token(undefined)).split('.')[0], before.split('.')[0]);
  const published = JSON.parse((await registry.send('GET', '/.well-known/jwks.json')).body.toString());
  assert.deepEqual(
    published.keys.map(({ kid }: { kid: string }) => kid),
    [second.id, stored.id],
  );

  await rotateKeys(registry.store.keys, 0);
  t.mock.timers.setTime(Date.now() + 11_000);
  for (const token of [before, signed]) expectError(await ask(token, '/v2/'), 401, 'UNAUTHORIZED');
});

test('tokens of another token server count by its keys, and nothing else does', async (t) => {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true });
  const key = { ...(await exportJWK(publicKey)), kid: 'outside', alg: 'EdDSA', use: 'sig' };
  const data = registry.data;
  await registry.stop();
  const outside = await startInProcessRegistry(t, {
    data,
    auth: 'token',
    tokens: {
      challenge: 'bearer',
      issuer: 'id.example',
      life: 300,
      services: ['registry.example'],
      realm: 'https://id.example/token',
      outsideKeys: { set: { keys: [key] } },
    },
  });
  const send = (authorization?: string, path = MANIFEST) =>
    outside.send('GET', path, { headers: authorization === undefined ? {} : { authorization } });
  const asked = await send();
  assert.equal(
    asked.headers['www-authenticate'],
    'Bearer realm="https://id.example/token",service="registry.example",scope="repository:team/app:pull"',
  );
  const claims = { ...GOOD, iss: 'id.example', aud: 'registry.example', exp: now() + 3600 };
  const header = { kid: 'outside', alg: 'EdDSA' };
  const right = `Bearer ${await sign(claims, privateKey, header)}`;
  for (let round = 0; round < 2; round += 1) assert.equal((await send(right)).status, 200);
  const lists = [{ type: 'registry', name: 'catalog', actions: ['*'] }];
  const listed = await send(
    `Bearer ${await sign({ ...claims, access: lists }, privateKey, header)}`,
    '/v2/_catalog',
  );
  assert.deepEqual(JSON.parse(listed.body.toString()), { repositories: ['team/app'] });
  expectError(
    await send(`Bearer ${await sign({ ...claims, aud: 'berth' }, privateKey, header)}`),
    401,
    'UNAUTHORIZED',
  );
  expectError(await send(`Bearer ${await sign(GOOD)}`), 401, 'UNAUTHORIZED');
  expectError(await send('Basic YWRtaW46YSBwYXNzd29yZCBvZiB0ZXN0cw=='), 401, 'UNAUTHORIZED');
  assert.equal((await send(undefined, '/token')).status, 404);
  assert.equal((await send(undefined, '/api/v1/me')).status, 404);
});

test('while the keys of another token server cannot be had, tokens that were verified go on', async (t) => {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const set = { keys: [{ ...(await exportJWK(publicKey)), kid: 'outside', alg: 'ES256', use: 'sig' }] };
  const keys = createServer((_, response) => response.end(JSON.stringify(set)));
  keys.listen(0, '127.0.0.1');
  await once(keys, 'listening');
  t.after(() => keys.close());
  const { port } = keys.address() as AddressInfo;
  const startWith = (url: string) =>
    startInProcessRegistry(t, {
      auth: 'token',
      tokens: {
        challenge: 'bearer',
        issuer: 'id.example',
        life: 300,
        services: ['berth'],
        realm: 'https://id.example/token',
        outsideKeys: { url: new URL(url) },
      },
    });
  const outside = await startWith(`http://127.0.0.1:${port}/keys`);
  const claims = { ...GOOD, iss: 'id.example', exp: now() + 3600 };
  const token = async (sub: string, kid = 'outside') =>
    `Bearer ${await sign({ ...claims, sub }, privateKey, { kid })}`;
  const status = async (registry: typeof outside, authorization: string) =>
    (await registry.send('GET', '/v2/', { headers: { authorization } })).status;
  const ada = await token('ada');
  assert.equal(await status(outside, ada), 200);
  keys.closeAllConnections();
  keys.close();
  assert.equal(await status(outside, ada), 200);
  assert.equal(await status(outside, await token('bob')), 200);
  assert.equal(await status(outside, await token('bob', 'another')), 401);
  const blind = await startWith(`http://127.0.0.1:${port}/keys`);
  const refused = await blind.send('GET', '/v2/', { headers: { authorization: ada } });
  expectError(refused, 503, 'UNAVAILABLE');
  assert.equal(refused.headers['retry-after'], '10');
});
