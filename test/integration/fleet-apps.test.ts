import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Decrypter } from 'age-encryption';
import type { HostTarget } from '../../fleet/target.ts';
import { APP, obey, openWorld, UNWATCHED } from '../support/fleet-world.ts';
import { waitUntil } from '../support/wait-until.ts';

test('a release goes to all hosts with its image pinned', async (t) => {
  const world = await openWorld(t, ['web1', 'web2', 'web3']);
  const digest = await world.push('one');
  const answer = await world.deploy();
  assert.equal(answer.status, 201, await answer.clone().text());
  const { release, plan } = (await answer.json()) as { release: number; plan: { hosts: unknown } };
  assert.equal(release, 1);
  assert.deepEqual(
    plan.hosts,
    ['web1', 'web2', 'web3'].map((host) => ({
      host,
      services: [{ service: 'web', instances: 1, change: 'start' }],
    })),
  );
  const ended = await world.ended();
  assert.equal(ended.state, 'done');
  assert.deepEqual(ended.cause, { kind: 'deploy', by: 'admin' });
  assert.deepEqual(ended.images, { web: { repository: 'team/web', tag: 'main', digest } });
  assert.deepEqual(
    (await world.ps()).map(({ host, service, image, release, state, health }) => [
      ...[host, service, image, release, state, health],
    ]),
    ['web1', 'web2', 'web3'].map((host) => [host, 'web', digest, 1, 'running', 'healthy']),
  );
});

test('complaint 5: a push makes a release where an app follows, and one that fails goes back and is not tried again', async (t) => {
  const world = await openWorld(t, ['web1', 'web2', 'web3']);
  const one = await world.push('one');
  await world.deploy({ follow: true });
  assert.equal((await world.ended()).state, 'done');
  const two = await world.push('two');
  await waitUntil('there is a second release', async () => (await world.history()).length === 2);
  const second = await world.ended();
  assert.equal(second.state, 'done');
  assert.deepEqual(second.cause, { kind: 'push', by: 'admin', repository: 'team/web', tag: 'main' });
  const bad = await world.push('bad', 'next');
  for (const host of world.hosts) host.breaks.add(bad);
  await world.push('bad');
  await waitUntil('there is a third release', async () => (await world.history()).length === 3);
  const third = await world.ended();
  assert.equal(third.state, 'rolled back');
  assert.match(String(third.reason), /^web1: web exited with 1$/);
  assert.deepEqual(
    (await world.ps()).map(({ image, release }) => [image, release]),
    world.hosts.map(() => [two, 2]),
  );
  // Only the first wave had it.
  assert.deepEqual(
    world.hosts.map(({ told }) => told.join()),
    ['1,2,3,2', '1,2,2', '1,2,2'],
  );
  await world.push('bad');
  const change = (what: string) =>
    world.registry.manage('POST', `/apps/${encodeURIComponent(APP)}/${what}`, {});
  // Compares the tags with the latest release, as happens after a push.
  assert.equal((await change('follow')).status, 200);
  assert.equal((await world.history()).length, 3);
  // The latest release has another image than the tag now.
  assert.equal((await change('restart')).status, 201);
  assert.equal((await world.ended()).state, 'done');
  assert.equal((await change('follow')).status, 200);
  assert.deepEqual(
    (await world.history()).map(({ state }) => state),
    ['done', 'rolled back', 'done', 'done'],
  );
  assert.notEqual(one, two);
});

test('complaint 7: a rollback is a release with the old content, and holds what follows', async (t) => {
  const world = await openWorld(t, ['web1', 'web2']);
  const one = await world.push('one');
  await world.deploy({ follow: true });
  await world.ended();
  await world.push('two');
  await waitUntil('there is a second release', async () => (await world.history()).length === 2);
  await world.ended();
  const path = `/apps/${encodeURIComponent(APP)}`;
  const answer = await world.registry.manage('POST', `${path}/rollback`, {});
  assert.deepEqual([answer.status, await answer.json()], [201, { release: 3 }]);
  const ended = await world.ended();
  assert.equal(ended.state, 'done');
  assert.deepEqual(ended.cause, { kind: 'rollback', by: 'admin', to: 1 });
  assert.deepEqual(
    (await world.ps()).map(({ image }) => image),
    [one, one],
  );
  const app = async () => (await (await world.registry.manage('GET', path)).json()) as { follow: string };
  assert.equal((await app()).follow, 'held');
  // Another app makes a release of the same push.
  await world.deploy({ follow: true }, 'team/other');
  await world.ended('team/other');
  await world.push('three');
  await waitUntil('the push has an effect', async () => (await world.history('team/other')).length === 2);
  await world.ended('team/other');
  assert.equal((await world.history()).length, 3);
  assert.equal((await app()).follow, 'held');
  await world.registry.manage('POST', `${path}/follow`, {});
  assert.equal((await app()).follow, 'following');
  const last = await world.ended();
  assert.equal(last.release, 4);
  assert.deepEqual((last.cause as { kind: string }).kind, 'push');
});

test('what cannot be deployed is refused with the places in the file, and nothing changes', async (t) => {
  const world = await openWorld(t, ['web1']);
  const services = {
    web: { image: world.image, privilged: true },
    gone: { image: `${world.image}-none` },
  };
  const answer = await world.deploy({ compose: { services } });
  assert.equal(answer.status, 422);
  const { errors } = (await answer.json()) as { errors: [{ detail: { problems: { path: unknown }[] } }] };
  assert.deepEqual(
    errors[0].detail.problems.map(({ path }) => path),
    [['services', 'web', 'privilged']],
  );
  const missing = await world.deploy();
  assert.equal(missing.status, 422);
  assert.match(await missing.text(), /is not in this registry: push it first/);
  const other = await world.deploy({ compose: { services: { web: { image: 'nginx:1' } } } });
  assert.match(await other.text(), /nginx:1 is in another registry/);
  await world.push('one');
  const nowhere = await world.deploy({ on: { role: 'db' } });
  assert.equal(nowhere.status, 422);
  assert.equal((await world.registry.manage('GET', `/apps/${encodeURIComponent(APP)}`)).status, 404);
});

test('complaint 12: each role may do what it says', async (t) => {
  const world = await openWorld(t, ['web1']);
  await world.push('one');
  await world.deploy();
  await world.ended();
  const path = `/apps/${encodeURIComponent(APP)}`;
  const { addUser, manage } = world.registry;
  const roles = ['stranger', 'reader', 'writer', 'maintainer'] as const;
  const allowed: Record<string, readonly string[]> = {};
  for (const role of roles) {
    const user = await addUser(role, role === 'stranger' ? {} : { 'team/*': role });
    const tries: readonly [string, string, string, object?][] = [
      ['see', 'GET', path],
      ['ps', 'GET', `${path}/instances`],
      ['history', 'GET', `${path}/releases`],
      ['rollout', 'GET', `${path}/rollout`],
      ['secrets', 'GET', `${path}/secrets`],
      [
        'deploy',
        'POST',
        `${path}/releases`,
        { compose: { services: { web: { image: world.image, ...UNWATCHED } } } },
      ],
      ['restart', 'POST', `${path}/restart`, {}],
      ['scale', 'POST', `${path}/scale`, { service: 'web', replicas: 1 }],
      ['rollback', 'POST', `${path}/rollback`, {}],
      ['follow', 'POST', `${path}/follow`, {}],
      ['set secret', 'PUT', `${path}/secrets/TOKEN`, { value: 'eA==' }],
      ['remove secret', 'DELETE', `${path}/secrets/TOKEN`],
      ['remove', 'DELETE', path],
    ];
    allowed[role] = [];
    for (const [what, method, url, body] of tries) {
      const { status } = await manage(method, url, body, user);
      assert.ok(status === 403 || status < 300, `${role} ${what}: ${status}`);
      if (status !== 403) allowed[role] = [...(allowed[role] ?? []), what];
      if (method === 'POST' && status < 300) await world.ended();
    }
  }
  const reads = ['see', 'ps', 'history', 'rollout', 'secrets'];
  const writes = [...reads, 'deploy', 'restart', 'scale', 'rollback', 'follow'];
  assert.deepEqual(allowed, {
    stranger: [],
    reader: reads,
    writer: writes,
    maintainer: [...writes, 'set secret', 'remove secret', 'remove'],
  });
  const compose = { services: { web: { image: world.image, ...UNWATCHED } } };
  const deploy = async (name: string, ...scopes: readonly string[]) => {
    const robot = await world.registry.addRobot(name, 'registry:apps', `${APP}:pull,push`, ...scopes);
    const answer = await manage('POST', `${path}/releases`, { compose }, robot);
    return { status: answer.status, text: await answer.text() };
  };
  const blind = await deploy('blind');
  assert.deepEqual([blind.status, /may not pull from team\/web/.test(blind.text)], [422, true], blind.text);
  const able = await deploy('able', 'team/web:pull');
  assert.equal(able.status, 201, able.text);
  assert.match(JSON.stringify((await world.ended()).cause), /able/);
});

test('complaint 10: a secret goes sealed to the hosts, and a new version is a release', async (t) => {
  const world = await openWorld(t, ['web1']);
  await world.push('one');
  const compose = {
    services: { web: { image: world.image, secrets: ['TOKEN'], ...UNWATCHED } },
    secrets: { TOKEN: { external: true } },
  };
  const early = await world.deploy({ compose });
  assert.equal(early.status, 422);
  assert.match(await early.text(), /berth secret set team\/shop TOKEN/);
  const path = `/apps/${encodeURIComponent(APP)}/secrets/TOKEN`;
  const value = (text: string) => ({ value: Buffer.from(text).toString('base64') });
  const first = await world.registry.manage('PUT', path, value('first'));
  assert.deepEqual(await first.json(), { version: 1, release: null });
  assert.equal((await world.deploy({ compose })).status, 201);
  await world.ended();
  const second = await world.registry.manage('PUT', path, value('second'));
  assert.deepEqual(await second.json(), { version: 2, release: 2 });
  const ended = await world.ended();
  assert.deepEqual([ended.state, ended.cause], ['done', { kind: 'secret', by: 'admin', secret: 'TOKEN' }]);
  const secrets = world.hosts[0]?.apps.get(APP)?.release.secrets ?? [];
  assert.deepEqual(
    secrets.map(({ name, version }) => [name, version]),
    [['TOKEN', 2]],
  );
  assert.doesNotMatch(Buffer.from(secrets[0]?.sealed ?? '', 'base64').toString('latin1'), /second/);
  assert.deepEqual(await world.registry.audited(/second|c2Vjb25k/), []);
});

test('a secret goes to the hosts of its app and to no other, also after the app has moved', async (t) => {
  const world = await openWorld(t, []);
  const hosts = await Promise.all(
    ['web1', 'db1'].map((name) => obey(world.registry, name, { role: name.slice(0, -1) })),
  );
  await world.push('one');
  const compose = {
    services: { web: { image: world.image, secrets: ['TOKEN'], ...UNWATCHED } },
    secrets: { TOKEN: { external: true } },
  };
  const path = `/apps/${encodeURIComponent(APP)}/secrets/TOKEN`;
  await world.registry.manage('PUT', path, { value: 'eA==' });
  const sealedAt = () =>
    Promise.all(
      hosts.map(async ({ host }) => {
        const target = (await (await host.get('/target')).json()) as HostTarget;
        return target.apps.flatMap(({ release }) => release.secrets.map(({ sealed }) => sealed));
      }),
    );
  const seen: string[] = [];
  for (const [index, role] of ['web', 'db'].entries()) {
    assert.equal((await world.deploy({ compose, on: { role } })).status, 201);
    assert.equal((await world.ended()).state, 'done');
    const all = await sealedAt();
    assert.deepEqual(
      all.map(({ length }) => length),
      index === 0 ? [1, 0] : [0, 1],
    );
    seen.push(...all.flat());
  }
  for (const [index, sealed] of seen.entries()) {
    for (const [other, { host }] of hosts.entries()) {
      const decrypter = new Decrypter();
      decrypter.addIdentity(host.identity);
      const opened = decrypter.decrypt(Buffer.from(sealed, 'base64'), 'text');
      if (other === index) assert.equal(await opened, 'x');
      else await assert.rejects(opened);
    }
  }
});

test('what runs is not deleted, and it is known where it runs', async (t) => {
  const world = await openWorld(t, ['web1', 'web2']);
  const digest = await world.push('one');
  await world.deploy();
  await world.ended();
  const refused = await world.registry.admin.send('DELETE', `/v2/team/web/manifests/${digest}`);
  assert.equal(refused.status, 409);
  assert.match(refused.body.toString(), /runs in team\/shop on web1, web2/);
  const running = await world.registry.manage('GET', `/running?digest=${digest}`);
  assert.deepEqual(await running.json(), {
    running: [
      {
        ...{ app: APP, release: 1, service: 'web', repository: 'team/web', digest },
        hosts: ['web1', 'web2'],
        kept: false,
      },
    ],
  });
  const forced = await world.registry.admin.send('DELETE', `/v2/team/web/manifests/${digest}?force=true`);
  assert.equal(forced.status, 202);
});

test('an app goes to a host that joins later, and from one that leaves', async (t) => {
  const world = await openWorld(t, ['web1']);
  const digest = await world.push('one');
  await world.deploy();
  await world.ended();
  const late = await obey(world.registry, 'web2');
  await waitUntil('the new host runs it', async () => (await world.ps()).length === 2);
  assert.deepEqual(late.told, ['1']);
  assert.equal((await world.registry.manage('DELETE', '/hosts/web1')).status, 204);
  await waitUntil('it is placed on one host', async () => (await world.ps()).length === 1);
  assert.deepEqual(
    (await world.ps()).map(({ host, image }) => [host, image]),
    [['web2', digest]],
  );
});
