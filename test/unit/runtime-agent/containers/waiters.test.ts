import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Waiters } from '../../../../runtime-agent/containers/waiters.ts';

describe('Waiters', () => {
  it('tells each by its condition, once', async () => {
    const waiters = new Waiters();
    const exit = waiters.add('next-exit');
    const stopped = waiters.add('not-running');
    const removed = waiters.add('removed');
    waiters.ended({ exitCode: 1 });
    waiters.ended({ exitCode: 2 });
    waiters.removed({ exitCode: 3 });
    assert.deepEqual(await Promise.all([exit, stopped, removed]), [
      { exitCode: 1 },
      { exitCode: 1 },
      { exitCode: 3 },
    ]);
  });

  it('lets go of whoever gives up', async () => {
    const waiters = new Waiters();
    const leaving = new AbortController();
    const left = waiters.add('removed', leaving.signal);
    leaving.abort(new Error('gone'));
    await assert.rejects(left, /gone/);
    await assert.rejects(waiters.add('removed', leaving.signal), /gone/);
    waiters.removed({ exitCode: 0 });
  });
});
