import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  parseRestartPolicy,
  restartDelay,
  shouldRestart,
} from '../../../../../runtime-agent/containers/plan/restart-policy.ts';
import { hostConfig } from '../../../../support/container-requests.ts';

const policy = (name: string, limit = 0) =>
  parseRestartPolicy(hostConfig({ RestartPolicy: { Name: name, MaximumRetryCount: limit } }));

describe('restart policies', () => {
  it('say whether a container that ended is started again', () => {
    const ended = (exitCode: number, restarts = 0, stoppedByUser = false) => ({
      exitCode,
      restarts,
      stoppedByUser,
    });
    assert.equal(shouldRestart(policy(''), ended(1)), false);
    assert.equal(shouldRestart(policy('no'), ended(1)), false);
    assert.equal(shouldRestart(policy('always'), ended(0, 99)), true);
    assert.equal(shouldRestart(policy('unless-stopped'), ended(0)), true);
    assert.equal(shouldRestart(policy('always'), ended(0, 0, true)), false);
    assert.equal(shouldRestart(policy('on-failure'), ended(0)), false);
    assert.equal(shouldRestart(policy('on-failure'), ended(2, 99)), true);
    assert.equal(shouldRestart(policy('on-failure', 3), ended(2, 2)), true);
    assert.equal(shouldRestart(policy('on-failure', 3), ended(2, 3)), false);
  });

  it('wait twice as long each time, up to a minute', () => {
    assert.deepEqual([0, 1, 2, 9, 10, 1000].map(restartDelay), [100, 200, 400, 51_200, 60_000, 60_000]);
  });
});
