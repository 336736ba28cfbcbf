import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PartMemory } from '../../../../../storage/blobs/s3/part-memory.ts';

test('no more buffers than allowed; who waits gets one in turn, or leaves', async () => {
  const memory = new PartMemory(8, 2);
  const first = await memory.acquire();
  await memory.acquire();
  const order: string[] = [];
  const abort = new AbortController();
  const leaving = memory.acquire(abort.signal);
  const third = memory.acquire().finally(() => order.push('third'));
  const fourth = memory.acquire().finally(() => order.push('fourth'));
  abort.abort(new Error('gone'));
  await assert.rejects(leaving, /gone/);
  assert.deepEqual(order, []);
  memory.release(first);
  assert.equal(await third, first);
  assert.deepEqual(order, ['third']);
  memory.release(first);
  assert.equal(await fourth, first);
});

test('who fills slowly is asked to give its buffer back when another waits, once', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const memory = new PartMemory(8, 1);
  const held = await memory.acquire();
  let asked = 0;
  memory.filling({
    spill: () => {
      asked += 1;
      memory.release(held);
    },
  });
  const waiting = memory.acquire();
  t.mock.timers.tick(2_500);
  assert.equal(asked, 0);
  now = 10_000;
  t.mock.timers.tick(5_000);
  assert.equal(await waiting, held);
  assert.equal(asked, 1);
});
