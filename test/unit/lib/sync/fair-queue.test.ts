import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FairQueue, type QueuePlace } from '../../../../lib/sync/fair-queue.ts';

const { signal } = new AbortController();

/** Queues works behind one that runs, lets it go, and answers in which order they were run. */
async function orderOf(queue: FairQueue, places: readonly (readonly [name: string, place: QueuePlace])[]) {
  const gate = Promise.withResolvers<void>();
  const ran: string[] = [];
  const first = queue.hold({ lane: 0, keys: ['first', ''] }, signal, () => gate.promise);
  const works = places.map(([name, place]) =>
    queue.hold(place, signal, async () => {
      ran.push(name);
    }),
  );
  gate.resolve();
  await Promise.all([first, ...works]);
  return ran.join(' ');
}

const at = (outer: string, inner = '', lane = 0): QueuePlace => ({ lane, keys: [outer, inner] });

test('one key that queues much is passed by the others', async () => {
  const order = await orderOf(new FairQueue(1), [
    ['a1', at('a')],
    ['a2', at('a')],
    ['a3', at('a')],
    ['b1', at('b')],
    ['c1', at('c')],
    ['b2', at('b')],
  ]);
  assert.equal(order, 'a1 b1 c1 a2 b2 a3');
});

test('within one key it is the turn of each second key', async () => {
  const order = await orderOf(new FairQueue(1), [
    ['x1', at('a', 'x')],
    ['x2', at('a', 'x')],
    ['y1', at('a', 'y')],
    ['b1', at('b')],
    ['b2', at('b')],
  ]);
  assert.equal(order, 'x1 b1 y1 b2 x2');
});

test('lanes are served as the schedule says, and empty ones are skipped', async () => {
  const order = await orderOf(new FairQueue(1, [0, 0, 1]), [
    ['slow1', at('s', '', 1)],
    ['slow2', at('s', '', 1)],
    ['fast1', at('f')],
    ['fast2', at('f')],
    ['fast3', at('f')],
  ]);
  assert.equal(order, 'fast1 fast2 slow1 fast3 slow2');
});

test('no more run at once than there are places, and one that fails lets go of its own', async () => {
  const queue = new FairQueue(2);
  let running = 0;
  let most = 0;
  const work = async () => {
    running += 1;
    most = Math.max(most, running);
    await Promise.resolve();
    running -= 1;
    throw new Error('failed');
  };
  const works = Array.from({ length: 20 }, (_, index) => queue.hold(at(`${index % 3}`), signal, work));
  for (const { status } of await Promise.allSettled(works)) assert.equal(status, 'rejected');
  assert.equal(most, 2);
  assert.equal(await queue.hold(at('a'), signal, async () => 'free'), 'free');
});

test('an aborted waiter leaves nothing behind', async () => {
  const queue = new FairQueue(1);
  const gate = Promise.withResolvers<void>();
  const first = queue.hold(at('a'), signal, () => gate.promise);
  const leaving = new AbortController();
  const gone = [at('a', 'x'), at('a', 'y'), at('b')].map((place) =>
    queue.hold(place, leaving.signal, () => Promise.reject(new Error('ran'))),
  );
  leaving.abort(new Error('gone'));
  for (const outcome of await Promise.allSettled(gone)) {
    assert.equal(outcome.status === 'rejected' && outcome.reason.message, 'gone');
  }
  const last = queue.hold(at('a', 'x'), signal, async () => 'ran');
  gate.resolve();
  assert.deepEqual([await first, await last], [undefined, 'ran']);
});
