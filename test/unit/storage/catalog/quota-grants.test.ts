import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QuotaHeadroom } from '../../../../storage/catalog/quota-headroom.ts';

const GIB = 1024 ** 3;
const quota = { id: 1, bytes: 100 * GIB };

function headroom(used = 0) {
  let now = 0;
  let reads = 0;
  let failing = false;
  let current = used;
  const room = new QuotaHeadroom(
    async () => {
      reads++;
      if (failing) throw new Error('no database');
      return new Map([[1, current]]);
    },
    () => now,
  );
  return {
    room,
    reads: () => reads,
    use: (bytes: number) => {
      current = bytes;
    },
    fail: () => {
      failing = true;
    },
    /** Lets time pass, and what is read arrive. */
    pass: async (milliseconds: number) => {
      now += milliseconds;
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test('nobody is waved through before anything is known, and then whoever is far from the bound', async () => {
  const { room, pass, reads } = headroom();
  assert.equal(room.take(quota, GIB), false);
  assert.equal(room.take(quota, GIB), false);
  await pass(1);
  assert.equal(room.take(quota, GIB), true);
  assert.equal(room.take({ id: 2, bytes: 100 * GIB }, 1), false, 'a quota that was not there yet');
  assert.equal(reads(), 1);
});

test('a quarter of a quota, and 256 MiB of a small one, is looked at closely', async () => {
  const { room, pass } = headroom(50 * GIB);
  room.take(quota, 0);
  await pass(1);
  assert.equal(room.take(quota, 26 * GIB), false);
  assert.equal(room.take(quota, 25 * GIB), true);
  assert.equal(room.take(quota, 1), false, 'what was taken here counts at once');
  const small = headroom(0);
  small.room.take({ id: 1, bytes: GIB / 4 }, 0);
  await small.pass(1);
  assert.equal(small.room.take({ id: 1, bytes: GIB / 4 }, 0), true);
  assert.equal(small.room.take({ id: 1, bytes: GIB / 4 }, 1), false);
});

test('what was taken while it was read counts beside what was read', async () => {
  const { room, pass, use } = headroom();
  room.take(quota, 0);
  await pass(1);
  await pass(1500);
  use(40 * GIB);
  assert.equal(room.take(quota, 30 * GIB), true, 'known from before, and read anew meanwhile');
  await pass(1);
  assert.equal(room.take(quota, 10 * GIB), false);
  assert.equal(room.take(quota, 5 * GIB), true);
});

test('what is known for too long counts no more, nor does what cannot be read', async () => {
  const { room, pass, fail } = headroom();
  room.take(quota, 0);
  await pass(1);
  fail();
  await pass(5000);
  assert.equal(room.take(quota, 1), true);
  await pass(6000);
  assert.equal(room.take(quota, 1), false);
});
