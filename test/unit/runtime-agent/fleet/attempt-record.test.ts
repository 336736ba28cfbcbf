import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerInfo } from '../../../../runtime-agent/containers/container-info.ts';
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

test('instances that the end of the machine has ended are no failure: the attempt begins to wait for them again', async (t) => {
  const knex = await openDatabase({ file: join(await makeTempDir(t, 'record'), 'state.sqlite') });
  defer(t, () => knex.destroy());
  const store = await FleetStore.open(knex);
  const flags = {
    tried: true,
    passed: true,
    routed: true,
    draining: false,
    stopped: false,
    discarded: false,
  };
  const ended = (id: string, status: string, exitCode: number) =>
    ({ id, state: { status, exitCode } }) as ContainerInfo;
  for (const outcome of ['working', 'watching', 'done'] as const) {
    const progress = {
      ...NEW_PROGRESS,
      outcome,
      elapsed: 50_000,
      containers: { a: flags, b: flags, c: flags },
    };
    const record = new AttemptRecord(store, 'team/shop', progress);
    record.forgetLost([ended('a', 'restarting', 255), ended('b', 'exited', 255), ended('c', 'exited', 0)]);
    assert.equal(record.outcome, outcome === 'watching' ? 'working' : outcome);
    assert.deepEqual(record.flagsOf('a'), { ...flags, passed: false });
    assert.deepEqual(record.flagsOf('b'), { ...flags, passed: false, tried: false });
    assert.deepEqual(record.flagsOf('c'), flags);
    assert.equal(record.elapsed < 50_000, outcome !== 'done');
  }
});
