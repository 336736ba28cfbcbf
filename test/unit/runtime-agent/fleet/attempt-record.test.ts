import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AttemptRecord } from '../../../../runtime-agent/fleet/attempt-record.ts';
import { FleetStore, NEW_PROGRESS } from '../../../../runtime-agent/fleet/fleet-store.ts';
import { openDatabase } from '../../../../storage/catalog/database.ts';
import { defer } from '../../../support/cleanup.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

test('the time of an attempt stands still while something stops', async (t) => {
  const knex = await openDatabase({ file: join(await makeTempDir(t, 'record'), 'state.sqlite') });
  defer(t, () => knex.destroy());
  const record = new AttemptRecord(await FleetStore.open(knex), 'team/shop', NEW_PROGRESS);
  const held = [record.hold(), record.hold()];
  const before = record.elapsed;
  await sleep(20);
  held[0]?.();
  await record.save();
  await sleep(20);
  assert.equal(record.elapsed, before);
  held[1]?.();
  await sleep(20);
  assert.ok(record.elapsed > before);
});
