import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDatabase } from '../../storage/catalog/database.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { waitUntil } from '../support/wait-until.ts';

const COUNT = 10_000;
const DAY_MS = 24 * 60 * 60 * 1000;

test('ten thousand uploads that were left two days ago are swept while the registry answers', {
  timeout: 900_000,
}, async (t) => {
  const first = await startInProcessRegistry(t);
  const kept = await first.begin('team/app');
  await first.stop();
  const database = await openDatabase({ file: join(first.data, 'catalog.sqlite') });
  t.after(() => database.destroy());
  const touched = Date.now() - 2 * DAY_MS;
  await database.transaction(async (trx) => {
    for (let start = 0; start < COUNT; start += 100) {
      await trx('uploads').insert(
        Array.from({ length: 100 }, () => ({
          id: randomUUID(),
          repository: 'team/app',
          account: 'ci',
          size: 0,
          detail: '',
          started_at: touched,
          touched_at: touched,
        })),
      );
    }
  });

  const registry = await startInProcessRegistry(t, { data: first.data, gcInterval: 500 });
  const left = async () => Number((await database('uploads').count({ count: '*' }).first())?.count);
  const atStart = await left();
  assert.ok(atStart > 1, 'the sweep is no part of the start');
  const { digest } = await registry.pushImage('team/app', '1');
  assert.equal((await registry.send('GET', `/v2/team/app/manifests/${digest}`)).status, 200);
  await waitUntil('only the upload of today is left', async () => (await left()) === 1);
  assert.equal((await registry.send('GET', kept)).status, 204);
});
