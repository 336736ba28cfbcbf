import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Argon2Request } from '../../auth/passwords/argon2-worker.ts';
import { RequestThread } from '../../lib/threads/request-thread.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { digestOf } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';
import { startRegistryWithAccounts } from '../support/registry-with-accounts.ts';

// What somebody may not see looks like what is not there.
const registry = await startRegistryWithAccounts({ after });
const ada = await registry.addUser('ada', { 'team/*': 'writer', 'a-b/tool': 'reader', '*/shared': 'reader' });
const ALL = [
  'a-b/tool',
  'a-b/tool2',
  'private/app',
  'private/shared',
  'team/a',
  'team/b',
  'team.x/app',
  'zoo/app',
];
for (const name of ALL) await registry.admin.pushImage(name, '1');
const VISIBLE = ['a-b/tool', 'private/shared', 'team/a', 'team/b'];
const secret = await registry.admin.pushBlob('private/app', 'what nobody else may read');

const as = (authorization: string) => (method: string, path: string) =>
  registry.send(method, path, { headers: { authorization } });

for (const [how, authorization] of [
  ['a password', async () => ada],
  ['a token', async () => `Bearer ${await registry.token(ada, 'registry:catalog:*')}`],
  [
    "docker's token for searching",
    async () => `Bearer ${await registry.token(ada, 'registry:catalog:search')}`,
  ],
] as const) {
  test(`lists show what may be seen, to ${how}`, async () => {
    const send = as(await authorization());
    const whole = await send('GET', '/v2/_catalog');
    assert.deepEqual(JSON.parse(whole.body.toString()), { repositories: VISIBLE });
    assert.equal(whole.headers.link, undefined);

    const names: string[] = [];
    let next: string | undefined = '/v2/_catalog?n=1';
    while (next !== undefined) {
      const page = await send('GET', next);
      names.push(...JSON.parse(page.body.toString()).repositories);
      next = /<(.*)>/.exec(String(page.headers.link ?? ''))?.[1];
      assert.ok(
        next === undefined || VISIBLE.includes(new URL(next, registry.url).searchParams.get('last') ?? ''),
      );
    }
    assert.deepEqual(names, VISIBLE);

    const found = JSON.parse((await send('GET', '/v1/search?q=a')).body.toString());
    assert.deepEqual(
      found.results.map(({ name }: { name: string }) => name),
      VISIBLE,
    );
    assert.equal(found.num_results, VISIBLE.length);
  });
}

test('a repository that may not be read is refused as one that is not there', async () => {
  const send = as(ada);
  const digest = digestOf('x');
  for (const path of ['tags/list', 'manifests/1', `blobs/${secret.digest}`, `referrers/${digest}`]) {
    const [hidden, absent] = [
      await send('GET', `/v2/private/app/${path}`),
      await send('GET', `/v2/private/gone/${path}`),
    ];
    expectError(hidden, 403, 'DENIED');
    // The name that was asked for is all that differs.
    assert.equal(hidden.body.toString(), absent.body.toString().replaceAll('private/gone', 'private/app'));
  }
});

test('a mount from where one may not read begins an upload, as from nowhere', async () => {
  for (const authorization of [
    ada,
    `Bearer ${await registry.token(ada, 'repository:team/a:pull,push', 'repository:private/app:pull')}`,
  ]) {
    const send = as(authorization);
    for (const query of [
      `mount=${secret.digest}&from=private/app`,
      `mount=${secret.digest}&from=private/gone`,
      `mount=${secret.digest}&from=team/../private/app`,
      `mount=${secret.digest}&from=team%2F..%2Fprivate%2Fapp`,
      `mount=${secret.digest}`,
      `mount=${digestOf('nowhere')}&from=private/app`,
    ]) {
      const answer = await send('POST', `/v2/team/a/blobs/uploads/?${query}`);
      assert.equal(answer.status, 202, query);
      assert.deepEqual(
        Object.keys(answer.headers).filter((name) => name === 'docker-content-digest'),
        [],
      );
    }
    assert.equal((await send('HEAD', `/v2/team/a/blobs/${secret.digest}`)).status, 404);
  }
  const own = await registry.admin.pushBlob('team/b', 'of the team');
  const mounted = await as(ada)('POST', `/v2/team/a/blobs/uploads/?mount=${own.digest}&from=team/b`);
  assert.equal(mounted.status, 201);
});

test('a path in a repository name leads nowhere else', async () => {
  const send = as(ada);
  for (const path of [
    '/v2/team/../private/app/manifests/1',
    '/v2/team/%2e%2e/private/app/manifests/1',
    '/v2/team%2Fa%2F..%2F..%2Fprivate%2Fapp/manifests/1',
    '/v2/team//private/app/manifests/1',
    '/v2/./team/../private/app/manifests/1',
    '/v2/team/a/../../private/app/manifests/1',
  ]) {
    const { status } = await send('GET', path);
    assert.ok([400, 403, 404].includes(status), `${path}: ${status}`);
  }
});

test('an unknown user costs as much as a wrong password', async (t) => {
  const logIn = (name: string, password: string) =>
    registry.send('GET', '/v2/', { headers: { authorization: basicAuthorization(name, password) } });
  // The first of them makes what unknown users are compared with.
  await logIn('nobody', 'the first');
  const hashes: unknown[][] = [];
  const { ask } = RequestThread.prototype;
  t.mock.method(RequestThread.prototype, 'ask', function (this: object, request: Argon2Request) {
    hashes.push([request.memory, request.passes, request.parallelism, request.tagLength]);
    return ask.call(this, request);
  });
  const bodies = [];
  for (const name of ['nobody', 'ada']) bodies.push((await logIn(name, 'wrong password')).body.toString());
  assert.equal(hashes.length, 2);
  assert.deepEqual(hashes[0], hashes[1]);
  assert.equal(bodies[0], bodies[1]);
  for (const name of ['nobody', 'ada']) assert.equal((await logIn(name, 'wrong password')).status, 401);
  assert.equal(hashes.length, 2, 'the same wrong password again costs neither of them anything');
});

test('headers of 10 KB are refused for what they say, and larger ones for their size', async () => {
  for (const authorization of [
    `Basic ${'A'.repeat(10_000)}`,
    `Bearer ${'A'.repeat(10_000)}`,
    'A'.repeat(10_000),
  ]) {
    for (const path of ['/v2/', '/token', '/api/v1/me', '/v2/team/a/manifests/1']) {
      assert.equal((await as(authorization)('GET', path)).status, 401);
    }
  }
  assert.equal((await as(`Bearer ${'A'.repeat(20_000)}`)('GET', '/v2/')).status, 431);
});
