import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { SharedDuty } from '../../../server/background/shared-duty.ts';
import { openSqliteCatalog } from '../../../storage/catalog/knex-catalog.ts';
import { defer } from '../../support/cleanup.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

test('a duty is of one at a time, and of another one when it was dropped or has run out', async (t) => {
  const catalog = await openSqliteCatalog({ file: join(await makeTempDir(t), 'catalog.sqlite') });
  defer(t, () => catalog.close());
  const [first, second] = [60_000, 0].map((time) => new SharedDuty(catalog.garbage, 'names', time));
  assert.ok(first && second);
  assert.equal(await first.take(), true);
  assert.equal(await second.take(), false);
  assert.equal(await first.take(), true);
  await second.drop();
  assert.equal(await second.take(), false, 'only its holder drops it');
  await first.drop();
  assert.equal(await second.take(), true);
  assert.equal(await first.take(), true, 'that of the other one lasts for no time');
});
