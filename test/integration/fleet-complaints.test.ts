import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runBerth } from '../support/berth-command.ts';
import { APP, obey, openWorld } from '../support/fleet-world.ts';
import { waitUntil } from '../support/wait-until.ts';

/*
 * Complaints about other tools, by their numbers, where the registry alone decides. Others are in fleet-apps.test.ts,
 * fleet-rights-matrix.test.ts, fleet-faults.test.ts and test/e2e/fleet-complaints.test.ts.
 */

test('complaint 2: an update goes from host to host, each when those before it are healthy', async (t) => {
  const world = await openWorld(t, ['web1', 'web2', 'web3', 'web4', 'web5', 'web6']);
  await world.push('one');
  await world.deploy();
  assert.equal((await world.ended()).state, 'done');
  await world.push('two');
  for (const host of world.hosts) host.isMute = true;
  await world.deploy();
  const told = () => world.hosts.filter((host) => host.told.includes('2')).map(({ host }) => host.name);
  let expected: readonly string[] = [];
  for (const wave of [['web1'], ['web2', 'web3'], ['web4', 'web5', 'web6']]) {
    expected = [...expected, ...wave];
    await waitUntil(`${wave} are told`, () => told().length >= expected.length);
    assert.deepEqual(told(), expected);
    for (const host of world.hosts) if (wave.includes(host.host.name)) host.speak();
  }
  assert.equal((await world.ended()).state, 'done');
});

test('complaint 4: a rollback that stalls ends as one that failed', async (t) => {
  const world = await openWorld(t, ['web1', 'web2']);
  await world.push('one');
  await world.deploy();
  assert.equal((await world.ended()).state, 'done');
  const bad = await world.push('bad');
  for (const host of world.hosts) {
    host.breaks.add(bad);
    host.stallsAfterFailure = true;
  }
  await world.deploy({ timeout: 1 });
  const ended = await world.ended();
  assert.equal(ended.state, 'rollback failed');
  assert.match(String(ended.reason), /then release 1 failed too: web1: release 1 was not healthy within 1 s/);
});

test('complaint 6: a tag that moves changes no release: all hosts run one digest', async (t) => {
  const world = await openWorld(t, ['web1', 'web2']);
  const one = await world.push('one');
  await world.deploy();
  assert.equal((await world.ended()).state, 'done');
  await world.push('two');
  await obey(world.registry, 'web3');
  await waitUntil('the host that joined runs the app', async () => (await world.ps()).length === 3);
  assert.deepEqual(new Set((await world.ps()).map(({ image }) => image)), new Set([one]));
});

test('complaint 14: garbage collection and deletes keep what runs and what a rollback needs', async (t) => {
  const world = await openWorld(t, ['web1']);
  const digests: string[] = [];
  for (let release = 1; release <= 7; release += 1) {
    digests.push(await world.push(`${release}`));
    assert.equal((await world.deploy()).status, 201);
    assert.equal((await world.ended()).state, 'done');
  }
  await world.push('newer');
  const collected = await runBerth('gc', '--data', world.registry.data, '--grace', '0s', '--untagged');
  assert.equal(collected.exitCode, 0, collected.stderr);
  const statusOf = async (digest: string) =>
    (await world.registry.admin.send('GET', `/v2/team/web/manifests/${digest}`)).status;
  const statuses = await Promise.all(digests.map(statusOf));
  assert.deepEqual(statuses.slice(1), Array(6).fill(200), 'the release that runs and its five predecessors');
  const refused = await world.registry.admin.send('DELETE', `/v2/team/web/manifests/${digests[6]}`);
  assert.equal(refused.status, 409);
  const path = `/apps/${encodeURIComponent(APP)}/rollback`;
  assert.equal((await world.registry.manage('POST', path, { to: 2 })).status, 201);
  const back = await world.ended();
  assert.equal(back.state, 'done');
  assert.deepEqual(
    (await world.ps()).map(({ image }) => image),
    [digests[1]],
  );
});
