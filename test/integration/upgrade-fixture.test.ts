import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openCatalogDatabase } from '../../server/open-storage.ts';
import { DATABASE_STEPS } from '../../server/upgrade/releases.ts';
import { appliedSteps } from '../../storage/catalog/migrate.ts';
import { expectFrozenContent, thawRegistry } from '../support/frozen-registry.ts';
import { startPostgres } from '../support/postgres.ts';
import { createRegistryClient } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';
import { ADMIN_PASSWORD } from '../support/registry-with-accounts.ts';

const postgres = await startPostgres({ after });

for (const kind of ['SQLite', 'PostgreSQL'] as const) {
  test(`a registry of the first release on ${kind} has all its content after an upgrade`, async (t) => {
    const frozen = await thawRegistry(t, kind === 'PostgreSQL' ? postgres : undefined);
    const registry = await startRegistry(t, frozen.options);
    await expectFrozenContent(registry.url, frozen.content);
    const admin = createRegistryClient(registry.url, { name: 'admin', password: ADMIN_PASSWORD });
    await admin.pushImage('other/new', '1');
    await registry.restart();
    await expectFrozenContent(registry.url, frozen.content);
    await registry.stop();
    const database = await openCatalogDatabase({
      data: frozen.data,
      ...(kind === 'PostgreSQL' && { database: frozen.args.at(-1) ?? '' }),
    });
    for (const list of DATABASE_STEPS) {
      assert.deepEqual(
        await appliedSteps(database, list),
        list.steps.map(({ name }) => name),
      );
    }
    await database.destroy();
  });
}
