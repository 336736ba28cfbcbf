import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { ConfigSteps } from '../../../../runtime-agent/builder/cache/config-steps.ts';
import {
  BUILD_MIGRATIONS,
  BUILD_MIGRATIONS_TABLE,
} from '../../../../runtime-agent/builder/cache/step-cache.ts';
import { openDatabase } from '../../../../storage/catalog/database.ts';
import { migrate } from '../../../../storage/catalog/migrate.ts';
import { defer } from '../../../support/cleanup.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

test('steps of the configuration are remembered up to a number, those that were used last', async (t) => {
  t.mock.timers.enable({ apis: ['Date'] });
  const knex = await openDatabase({ file: join(await makeTempDir(t, 'steps'), 'state.sqlite') });
  defer(t, () => knex.destroy());
  await migrate(knex, BUILD_MIGRATIONS_TABLE, BUILD_MIGRATIONS);
  const steps = new ConfigSteps(knex, 2);
  const known = async (by = new ConfigSteps(knex)) =>
    (await Promise.all(['a', 'b', 'c'].map(async (key) => ((await by.has(key)) ? key : '')))).join('');
  for (const key of ['a', 'b', 'a', 'c']) {
    steps.note([key]);
    assert.ok(await steps.has(key), 'before it is written');
    await steps.flush();
    t.mock.timers.tick(1);
  }
  assert.equal(await known(), 'ac');
  steps.note(Array.from({ length: 1000 }, (_, index) => `many ${index}`));
  await steps.flush();
  assert.equal(await known(), '');
  steps.note(['b']);
  await steps.clear();
  await steps.flush();
  assert.equal(await known(steps), '');
});
