import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { parseDigest } from '../../oci/digest.ts';
import { emptyTarget, startFleetRegistry } from '../support/fleet-registry.ts';
import { serviceSpec, serviceTarget } from '../support/fleet-targets.ts';
import { basicAuthorization } from '../support/http-client.ts';
import type { JoinedHost } from '../support/joined-host.ts';
import { waitUntil } from '../support/wait-until.ts';

const registry = await startFleetRegistry({ after });

const loginOf = async (host: JoinedHost) => basicAuthorization(`host:${host.id}`, await host.token());

/** What a host gets of what it asks the token server for. */
const granted = async (authorization: string, ...scopes: readonly string[]) => {
  const token = await registry.token(authorization, ...scopes);
  const { access, exp, iat, sub } = JSON.parse(
    Buffer.from(token.split('.')[1] ?? '', 'base64url').toString(),
  );
  return {
    token,
    exp,
    iat,
    sub,
    access: access.map((one: { name: string; actions: string[] }) => `${one.name}:${one.actions}`),
  };
};

test('a host pulls the repositories of its target, and nothing else', async () => {
  const images = new Map<string, string>();
  for (const repository of ['team/web', 'team/next', 'team/before', 'team/secret']) {
    images.set(repository, (await registry.admin.pushImage(repository, 'main')).digest);
  }
  const imageOf = (repository: string) => ({ repository, digest: parseDigest(images.get(repository) ?? '') });
  const host = await registry.join('puller');
  const other = await registry.join('other');
  const authorization = await loginOf(host);
  const all = [...images.keys()].map((name) => `repository:${name}:pull,push,delete`);
  assert.deepEqual((await granted(authorization, ...all, 'registry:catalog:*')).access, []);

  const web = serviceTarget(serviceSpec('web'), imageOf('team/web'));
  const foreign = serviceTarget(serviceSpec('db'), { ...imageOf('team/secret'), registry: 'docker.io' });
  const target = emptyTarget('team/shop');
  await registry.hosts.setTargets([
    {
      host: host.id,
      set: [
        {
          ...target,
          release: { ...target.release, services: [web, foreign] },
          prefetch: [imageOf('team/next')],
          keep: [imageOf('team/before')],
        },
      ],
      remove: [],
    },
  ]);
  const rights = await granted(authorization, ...all, 'registry:catalog:*');
  assert.deepEqual(rights.access, ['team/web:pull', 'team/next:pull', 'team/before:pull']);
  assert.equal(rights.sub, 'host:puller');
  // With the tolerance of the verifier it is a minute.
  assert.equal(rights.exp - rights.iat <= 30, true);
  assert.deepEqual((await granted(await loginOf(other), ...all)).access, []);

  const pull = (repository: string, authorization: string) =>
    registry.send('GET', `/v2/${repository}/manifests/main`, { headers: { authorization } });
  for (const credentials of [`Bearer ${rights.token}`, authorization]) {
    assert.equal((await pull('team/web', credentials)).status, 200);
    assert.equal((await pull('team/secret', credentials)).status >= 401, true);
    const begun = await registry.send('POST', '/v2/team/web/blobs/uploads/', {
      headers: { authorization: credentials },
    });
    assert.equal(begun.status >= 401, true);
    const lists = await registry.send('GET', '/v2/_catalog', { headers: { authorization: credentials } });
    assert.equal(lists.status >= 401, true);
  }
  const managed = await registry.manage('GET', '/me', undefined, authorization);
  assert.equal(managed.status, 401);
  await waitUntil('the refusals are in the audit', async () =>
    (await registry.audited(/host:puller/)).some(({ outcome }) => outcome === 'denied'),
  );

  await registry.hosts.setTargets([{ host: host.id, set: [], remove: ['team/shop'] }]);
  assert.deepEqual((await granted(authorization, ...all)).access, []);
  await registry.manage('DELETE', '/hosts/puller');
  assert.equal((await registry.send('GET', '/token', { headers: { authorization } })).status, 401);
});

test('a form of OAuth has the name and the token apart', async () => {
  const host = await registry.join('former');
  const form = new URLSearchParams({
    grant_type: 'password',
    service: 'berth',
    client_id: 'agent',
    access_type: 'offline',
    username: `host:${host.id}`,
    password: await host.token(),
  });
  const answer = await fetch(`${registry.url}/token`, { method: 'POST', body: form });
  const body = (await answer.json()) as Record<string, unknown>;
  assert.deepEqual([answer.status, body.refresh_token], [200, undefined]);
  const wrong = new URLSearchParams(
    [...form].map(([name, value]) => [name, name === 'password' ? 'a.b.c' : value]),
  );
  assert.equal((await fetch(`${registry.url}/token`, { method: 'POST', body: wrong })).status, 401);
});
