import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Semaphore } from '../../../../lib/sync/semaphore.ts';
import { SingleFlight } from '../../../../lib/sync/single-flight.ts';

describe('SingleFlight', () => {
  it('is done once for all who want it, and each hears of its steps', async (t) => {
    const work = new SingleFlight<string, number>();
    const gate = Promise.withResolvers<void>();
    let begun = 0;
    const begin = async (_: AbortSignal, report: (step: number) => void) => {
      begun++;
      report(1);
      await gate.promise;
      report(2);
    };
    const heard: number[][] = [[], []];
    const all = heard.map((steps) => work.join('a', t.signal, (step) => steps.push(step), begin));
    gate.resolve();
    await Promise.all(all);
    assert.equal(begun, 1);
    assert.deepEqual(
      heard.map((steps) => steps.at(-1)),
      [2, 2],
    );
    await work.join('a', t.signal, () => undefined, begin);
    assert.equal(begun, 2, 'what is over begins anew');
  });

  it('fails for all, and may be begun again', async (t) => {
    const work = new SingleFlight<string, number>();
    const failing = async () => {
      throw new Error('broken');
    };
    const results = await Promise.allSettled(
      [1, 2].map(() => work.join('a', t.signal, () => undefined, failing)),
    );
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    await work.join(
      'a',
      t.signal,
      () => undefined,
      async () => undefined,
    );
  });

  it('stops when the last has gone, and only then', async (t) => {
    const work = new SingleFlight<string, number>();
    const aborted: unknown[] = [];
    const begin = (signal: AbortSignal) =>
      new Promise<void>((_, reject) => {
        signal.addEventListener('abort', () => {
          aborted.push(signal.reason);
          reject(signal.reason);
        });
      });
    const one = new AbortController();
    const two = new AbortController();
    const first = work.join('a', one.signal, () => undefined, begin);
    const second = work.join('a', two.signal, () => undefined, begin);
    one.abort(new Error('one'));
    await assert.rejects(first, /one/);
    assert.deepEqual(aborted, []);
    two.abort(new Error('two'));
    await assert.rejects(second, /two/);
    assert.equal(aborted.length, 1);
    await work.join(
      'a',
      t.signal,
      () => undefined,
      async () => undefined,
    );
  });
});

describe('Semaphore', () => {
  it('lets so many in at once, in order', async (t) => {
    const semaphore = new Semaphore(2);
    let inside = 0;
    let most = 0;
    const order: number[] = [];
    const work = (number: number) => async () => {
      order.push(number);
      inside++;
      most = Math.max(most, inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
    };
    await Promise.all([0, 1, 2, 3, 4].map((number) => semaphore.hold(t.signal, work(number))));
    assert.equal(most, 2);
    assert.deepEqual(order, [0, 1, 2, 3, 4]);
    assert.equal(semaphore.isFull, false);
  });

  it('lets go of who gives up while waiting, and of who fails', async (t) => {
    const semaphore = new Semaphore(1);
    const gate = Promise.withResolvers<void>();
    const holding = semaphore.hold(t.signal, () => gate.promise);
    const controller = new AbortController();
    const waiting = semaphore.hold(controller.signal, async () => undefined);
    controller.abort(new Error('gave up'));
    await assert.rejects(waiting, /gave up/);
    const failing = semaphore.hold(t.signal, async () => {
      throw new Error('broken');
    });
    gate.resolve();
    await holding;
    await assert.rejects(failing, /broken/);
    assert.equal(await semaphore.hold(t.signal, async () => 'in'), 'in');
  });
});
