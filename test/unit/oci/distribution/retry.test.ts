import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { retryAfter, TransientError, withRetries } from '../../../../oci/distribution/retry.ts';

const policy = (requestTries: number) => ({ requestTries, transferTries: 1, maxPause: 10_000 });

describe('withRetries', () => {
  it('tries again after what may pass, so often and no more', async (t) => {
    let tries = 0;
    const failing = (times: number) => async () => {
      tries++;
      if (tries <= times) throw new TransientError(new Error(`failure ${tries}`));
      return tries;
    };
    assert.equal(await withRetries(policy(3), t.signal, failing(2)), 3);
    tries = 0;
    await assert.rejects(withRetries(policy(2), t.signal, failing(2)), {
      message: 'failure 2',
      name: 'Error',
    });
  });

  it('does not try again after what stays', async (t) => {
    let tries = 0;
    const failing = async () => {
      tries++;
      throw new Error('for good');
    };
    await assert.rejects(withRetries(policy(3), t.signal, failing), /for good/);
    assert.equal(tries, 1);
  });

  it('stops when it is aborted while it waits', async () => {
    const controller = new AbortController();
    const failing = async () => {
      queueMicrotask(() => controller.abort(new Error('no longer wanted')));
      throw new TransientError(new Error('busy'), 60_000);
    };
    await assert.rejects(withRetries(policy(3), controller.signal, failing), /no longer wanted/);
  });
});

describe('retryAfter', () => {
  it('reads seconds and dates', () => {
    const now = Date.UTC(2024, 0, 1, 12);
    assert.equal(retryAfter(undefined, now), 0);
    assert.equal(retryAfter('3', now), 3000);
    assert.equal(retryAfter('Mon, 01 Jan 2024 12:00:05 GMT', now), 5000);
    assert.equal(retryAfter('Mon, 01 Jan 2024 11:00:00 GMT', now), 0);
    assert.equal(retryAfter('soon', now), 0);
    assert.equal(retryAfter('-3', now), 0);
  });
});
