import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KeyedLock } from '../../../../lib/sync/semaphore.ts';

describe('KeyedLock', () => {
  it('runs the work for one key in order, and others beside it', async () => {
    const lock = new KeyedLock();
    const log: string[] = [];
    const first = Promise.withResolvers<void>();
    const one = lock.run('a', async () => {
      log.push('a1 begins');
      await first.promise;
      log.push('a1 ends');
    });
    const two = lock.run('a', async () => log.push('a2'));
    await lock.run('b', async () => log.push('b'));
    first.resolve();
    await Promise.all([one, two]);
    assert.deepEqual(log, ['a1 begins', 'b', 'a1 ends', 'a2']);
  });

  it('goes on after a failure', async () => {
    const lock = new KeyedLock();
    const failing = lock.run('a', () => Promise.reject(new Error('broken')));
    const next = lock.run('a', async () => 'fine');
    await assert.rejects(failing, /broken/);
    assert.equal(await next, 'fine');
  });
});
