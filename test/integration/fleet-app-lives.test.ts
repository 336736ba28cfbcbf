import assert from 'node:assert/strict';
import { test } from 'node:test';
import { APP, openWorld, UNWATCHED } from '../support/fleet-world.ts';
import { waitUntil } from '../support/wait-until.ts';

const PATH = `/apps/${encodeURIComponent(APP)}`;

test('an app of the name of one that was removed counts as healthy once hosts say so anew', async (t) => {
  const world = await openWorld(t, ['web1']);
  const [host] = world.hosts;
  assert.ok(host);
  await world.push('one');
  await world.deploy();
  await world.ended();
  // What it said about the first one stays on record.
  host.tellsGone = false;
  assert.equal((await world.registry.manage('DELETE', PATH)).status, 204);
  await waitUntil('it is taken off', () => !host.apps.has(APP));
  assert.equal((await world.deploy()).status, 201);
  assert.equal((await world.ended()).state, 'done');
  assert.deepEqual(host.told, ['1', '1']);
});

test('a restart, or a new secret, after a release that failed keeps the images that run', async (t) => {
  const world = await openWorld(t, ['web1']);
  const one = await world.push('one');
  const compose = {
    services: { web: { image: world.image, secrets: ['TOKEN'], ...UNWATCHED } },
    secrets: { TOKEN: { external: true } },
  };
  const setSecret = () => world.registry.manage('PUT', `${PATH}/secrets/TOKEN`, { value: 'eA==' });
  await setSecret();
  await world.deploy({ compose, follow: true });
  await world.ended();
  const bad = await world.push('bad', 'next');
  world.hosts[0]?.breaks.add(bad);
  await world.push('bad');
  await waitUntil('there is a second release', async () => (await world.history()).length === 2);
  assert.equal((await world.ended()).state, 'rolled back');
  const changes = [
    () => world.registry.manage('POST', `${PATH}/restart`, {}),
    () => world.registry.manage('POST', `${PATH}/scale`, { service: 'web', replicas: 1 }),
    setSecret,
  ];
  for (const change of changes) {
    assert.ok((await change()).status < 300);
    assert.equal((await world.ended()).state, 'done');
    assert.deepEqual(
      (await world.ps()).map(({ image }) => image),
      [one],
    );
  }
  // The tag still names what has failed.
  await world.registry.manage('POST', `${PATH}/follow`, {});
  assert.equal((await world.history()).length, 5);
});

test('a secret that is set again after its removal is another version, and no release goes without one', async (t) => {
  const world = await openWorld(t, ['web1']);
  await world.push('one');
  const compose = {
    services: { web: { image: world.image, secrets: ['TOKEN'], ...UNWATCHED } },
    secrets: { TOKEN: { external: true } },
  };
  const path = `${PATH}/secrets/TOKEN`;
  await world.registry.manage('PUT', path, { value: 'eA==' });
  await world.deploy({ compose });
  await world.ended();
  await world.deploy();
  await world.ended();
  assert.equal((await world.registry.manage('DELETE', path)).status, 204);
  const refused = await world.registry.manage('POST', `${PATH}/rollback`, { to: 1 });
  assert.equal(refused.status, 422);
  assert.match(await refused.text(), /berth secret set team\/shop TOKEN/);
  const again = await world.registry.manage('PUT', path, { value: 'eQ==' });
  assert.deepEqual(await again.json(), { version: 2, release: null });
});
