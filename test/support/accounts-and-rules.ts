import assert from 'node:assert/strict';
import { basicAuthorization } from './http-client.ts';
import { createRegistryClient, type RegistryClient } from './registry-client.ts';
import { ADMIN_PASSWORD } from './registry-with-accounts.ts';

/** One of everything that administrators make, in team/*, and an image team/app:v1. */
export interface AccountsAndRules {
  /** What is nowhere but in the hands of its owners. */
  readonly secrets: readonly string[];
  /** Fails unless all that could be used before can be used now. */
  expectBack(registry: RegistryClient): Promise<void>;
}

const MANIFEST = '/v2/team/app/manifests/v1';
const PASSWORD = 'a password of ada';

/** Makes them by the API of a registry whose user `admin` has the password ADMIN_PASSWORD. */
export async function makeAccountsAndRules(
  registry: RegistryClient & { readonly url: string },
): Promise<AccountsAndRules> {
  const admin = basicAuthorization('admin', ADMIN_PASSWORD);
  const ada = basicAuthorization('ada', PASSWORD);
  const api = (method: string, path: string, body?: object, authorization = admin) =>
    callApi(registry, authorization, method, path, body);
  await api('POST', '/users', { name: 'ada', password: PASSWORD });
  await api('POST', '/teams', { name: 'crew' });
  await api('PUT', '/teams/crew/members/ada');
  await api('PUT', '/grants', { holder: 'team:crew', pattern: 'team/*', role: 'writer' });
  const token = await api('POST', '/tokens', { name: 'laptop' }, ada);
  const robot = await api('POST', '/robots', {
    owner: 'team:crew',
    name: 'ci',
    scopes: ['team/*:pull,push'],
  });
  await api('PUT', '/tag-rules', { pattern: 'team/*', tags: 'v*', kind: 'immutable' });
  await api('PUT', '/quotas', { pattern: 'team/*', bytes: 2 ** 30 });
  const issuer = 'https://id.example';
  const claims = { repository: 'team/app' };
  await api('POST', '/rules', {
    name: 'job',
    issuer,
    audience: 'berth',
    claims,
    role: 'writer',
    pattern: 'team/app',
  });
  const clientSecret = 'the-secret-of-a-client';
  await api('POST', '/providers', {
    name: 'work',
    issuer,
    clientId: 'berth',
    clientSecret,
    groups: { 'all of us': 'crew' },
  });
  const url = 'https://ci.example/hook?a=b';
  const hook = await api('POST', '/webhooks', { name: 'ci', url, events: ['push'], pattern: 'team/*' });
  const login = await logIn(registry, {
    grant_type: 'password',
    username: 'ada',
    password: PASSWORD,
    access_type: 'offline',
  });
  const image = await createRegistryClient(registry.url, { name: 'ada', password: PASSWORD }).pushImage(
    'team/app',
    'v1',
  );
  const quotas = await api('GET', '/quotas');
  return {
    secrets: [
      PASSWORD,
      ADMIN_PASSWORD,
      token.secret,
      robot.secret,
      clientSecret,
      hook.secret,
      login.refresh_token,
    ],
    expectBack: async (now) => {
      for (const authorization of [
        admin,
        ada,
        basicAuthorization('ada', token.secret),
        basicAuthorization('crew+ci', robot.secret),
      ]) {
        const answer = await now.send('GET', MANIFEST, { headers: { authorization } });
        assert.equal(answer.status, 200, answer.body.toString());
        assert.deepEqual(answer.body, image.bytes);
      }
      const stranger = await now.send('GET', MANIFEST);
      assert.equal(stranger.status, 401);
      const again = await logIn(now, { grant_type: 'refresh_token', refresh_token: login.refresh_token });
      assert.ok(again.access_token);
      const other = JSON.stringify({ ...image.manifest, annotations: { moved: 'yes' } });
      const headers = { authorization: ada, 'content-type': image.manifest.mediaType };
      const moved = await now.send('PUT', MANIFEST, { headers, body: other });
      assert.equal(moved.status, 403, moved.body.toString());
      assert.deepEqual(await callApi(now, admin, 'GET', '/quotas'), quotas);
      assert.equal((await callApi(now, admin, 'GET', '/rules')).rules.length, 1);
    },
  };
}

async function callApi(
  registry: RegistryClient,
  authorization: string,
  method: string,
  path: string,
  body?: object,
) {
  const answer = await registry.send(method, `/api/v1${path}`, {
    headers: { authorization, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.body}`);
  return answer.body.length === 0 ? {} : JSON.parse(answer.body.toString());
}

async function logIn(registry: RegistryClient, form: Readonly<Record<string, string>>) {
  const answer = await registry.send('POST', '/token', {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ service: 'berth', client_id: 'docker', ...form }).toString(),
  });
  assert.equal(answer.status, 200, answer.body.toString());
  return JSON.parse(answer.body.toString());
}
