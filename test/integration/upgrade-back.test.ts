import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { runBerthIn } from '../support/berth-command.ts';
import { expectFrozenContent, thawRegistry } from '../support/frozen-registry.ts';
import { LATER_VERSION } from '../support/later-steps.ts';
import { startPostgres } from '../support/postgres.ts';
import { createRegistryClient } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';
import { ADMIN_PASSWORD } from '../support/registry-with-accounts.ts';

const postgres = await startPostgres({ after });

for (const kind of ['SQLite', 'PostgreSQL'] as const) {
  test(`on ${kind} the earlier version serves what a later one was given, after a downgrade`, async (t) => {
    const frozen = await thawRegistry(t, kind === 'PostgreSQL' ? postgres : undefined);
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
