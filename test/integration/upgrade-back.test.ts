import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { runBerth, runBerthIn } from '../support/berth-command.ts';
import { expectFrozenContent, thawRegistry } from '../support/frozen-registry.ts';
import { LATER_VERSION } from '../support/later-steps.ts';
import { startPostgres } from '../support/postgres.ts';
import { createRegistryClient } from '../support/registry-client.ts';
import { type RegistryProcess, startRegistry } from '../support/registry-process.ts';
import { ADMIN_PASSWORD } from '../support/registry-with-accounts.ts';

const postgres = await startPostgres({ after });

for (const kind of ['SQLite', 'PostgreSQL'] as const) {
  test(`on ${kind} the earlier version serves what a later one was given, after a downgrade`, async (t) => {
    const frozen = await thawRegistry(t, kind === 'PostgreSQL' ? postgres : undefined);
    await expectPlan(kind, frozen.args, await startRegistry(t, frozen.options));
    const later = await startRegistry(t, { ...frozen.options, env: LATER_VERSION });
    const admin = { name: 'admin', password: ADMIN_PASSWORD };
    const image = await createRegistryClient(later.url, admin).pushImage('other/later', '1');
    const downgrade = () => runBerthIn(LATER_VERSION, 'downgrade', '--to', '0.1.0', ...frozen.args);
    const refused = await downgrade();
    assert.equal(refused.exitCode, 2);
    await later.stop();
    const undone = await downgrade();
    assert.equal(undone.exitCode, 0, undone.stderr);
    assert.match(undone.stdout, /undone: 0901-later-table\nundone: 0900-later-pushes\n/);
    const earlier = await startRegistry(t, frozen.options);
    await expectFrozenContent(earlier.url, frozen.content);
    const client = createRegistryClient(earlier.url, admin);
    assert.deepEqual((await client.send('GET', '/v2/other/later/manifests/1')).body, image.bytes);
    await client.pushImage('other/later', '2');
  });
}

/** What `berth upgrade --check` tells beside a registry of the earlier version, which it then stops. */
async function expectPlan(kind: string, args: readonly string[], earlier: RegistryProcess): Promise<void> {
  const check = (...more: readonly string[]) =>
    runBerthIn(LATER_VERSION, 'upgrade', '--check', ...more, ...args);
  const told = await check('--format', 'json');
  assert.equal(told.exitCode, 1, told.stderr);
  const { steps, space, seconds } = JSON.parse(told.stdout);
  const [{ rows, ...first }, second] = steps;
  assert.deepEqual(first, { step: '0900-later-pushes', removes: false, undone: true });
  assert.ok(rows > 3);
  assert.deepEqual(second, { step: '0901-later-table', removes: false, undone: true, rows: 0 });
  assert.equal(space > 100_000, kind === 'SQLite');
  assert.equal(seconds, 1);
  const shown = await check();
  assert.match(shown.stdout, /^0900-later-pushes +adds +berth downgrade +\d+$/m);
  assert.match(shown.stderr, /^2 steps, 1 second at most on a slow disk; /m);
  // Its own program finds nothing to change: the other one has changed nothing.
  const nothing = await runBerth('upgrade', '--check', ...args);
  assert.equal(nothing.exitCode, 0, nothing.stderr);
  assert.match(nothing.stdout, /^nothing to change/);
  await earlier.stop();
}

test('a step that cannot be undone is refused with the copy to restore', async (t) => {
  const frozen = await thawRegistry(t);
  const env = { ...LATER_VERSION, LATER_STEPS_FINAL: '1' };
  await (await startRegistry(t, { ...frozen.options, env })).stop();
  const refused = await runBerthIn(env, 'downgrade', '--to', '0.1.0', ...frozen.args);
  assert.equal(refused.exitCode, 2);
  assert.match(
    refused.stderr,
    /0901-later-table cannot be undone: restore .*snapshots\/catalog-0013-.*sqlite, or/,
  );
});
