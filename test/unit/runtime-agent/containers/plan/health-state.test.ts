import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { goDuration } from '../../../../../lib/time/timestamp.ts';
import type { Health } from '../../../../../runtime-agent/containers/container-info.ts';
import {
  afterProbe,
  endedHealth,
  mergeHealthcheck,
  probeDelay,
  probePlan,
  startingHealth,
  validateHealthcheck,
} from '../../../../../runtime-agent/containers/plan/health.ts';

const plan = {
  command: ['true'],
  interval: 30_000,
  timeout: 1000,
  startPeriod: 10_000,
  startInterval: 2000,
  retries: 2,
};

/** The health after probes that ended with these codes, one at each second of `seconds`. */
function probed(codes: readonly number[], seconds: readonly number[]): Health {
  return codes.reduce(
    (health, ExitCode, index) =>
      afterProbe(
        health,
        {
          Start: '',
          End: '',
          ExitCode,
          Output: `probe ${index}`,
        },
        plan,
        (seconds[index] ?? 0) * 1000,
      ),
    startingHealth(undefined),
  );
}

describe('the health of a container', () => {
  it('is starting until a probe succeeds or enough of them failed', () => {
    assert.deepEqual(startingHealth(undefined), { Status: 'starting', FailingStreak: 0, Log: [] });
    assert.equal(probed([0], [1]).Status, 'healthy');
    assert.equal(probed([1], [11]).Status, 'starting');
    assert.equal(probed([1, 1], [11, 12]).Status, 'unhealthy');
    assert.equal(probed([1, 1, 0], [11, 12, 13]).Status, 'healthy');
    assert.equal(probed([1, 1, 0], [11, 12, 13]).FailingStreak, 0);
  });

  it('does not count failures of the start period, until the first success', () => {
    const early = probed([1, 1, -1], [1, 2, 3]);
    assert.equal(early.Status, 'starting');
    assert.equal(early.FailingStreak, 0);
    assert.equal(probed([0, 1, 1], [1, 2, 3]).Status, 'unhealthy');
    assert.equal(probed([1, 1, 1], [9, 10, 11]).FailingStreak, 2);
  });

  it('stays healthy for single failures', () => {
    assert.equal(probed([0, 1, 0, 1], [11, 12, 13, 14]).Status, 'healthy');
    assert.equal(probed([0, 1, 0, 1], [11, 12, 13, 14]).FailingStreak, 1);
  });

  it('keeps five probes, and those of the run before', () => {
    const { Log } = probed([1, 1, 1, 1, 1, 1, 0], [1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual(
      Log.map(({ Output }) => Output),
      ['probe 2', 'probe 3', 'probe 4', 'probe 5', 'probe 6'],
    );
    const ended = endedHealth({ Status: 'healthy', FailingStreak: 1, Log });
    assert.equal(ended.Status, 'unhealthy');
    assert.deepEqual(startingHealth(ended), { Status: 'starting', FailingStreak: 0, Log });
  });

  it('is looked at more often during the start period, until it is healthy', () => {
    assert.equal(probeDelay(startingHealth(undefined), plan, 9_999), 2000);
    assert.equal(probeDelay(startingHealth(undefined), plan, 10_000), 30_000);
    assert.equal(probeDelay(probed([0], [1]), plan, 1000), 30_000);
  });
});

describe('a health check', () => {
  it('has defaults for what it does not say', () => {
    assert.deepEqual(probePlan({ Healthcheck: { Test: ['CMD-SHELL', 'test -e /x'] } }), {
      command: ['/bin/sh', '-c', 'test -e /x'],
      interval: 30_000,
      timeout: 30_000,
      startPeriod: 0,
      startInterval: 5000,
      retries: 3,
    });
    assert.deepEqual(probePlan({ Healthcheck: { Test: ['CMD', 'a', 'b'], Interval: 1_500_000 } }), {
      command: ['a', 'b'],
      interval: 1.5,
      timeout: 30_000,
      startPeriod: 0,
      startInterval: 5000,
      retries: 3,
    });
  });

  it('is none where there is no command', () => {
    assert.equal(probePlan({}), undefined);
    assert.equal(probePlan({ Healthcheck: { Interval: 1e9 } }), undefined);
    assert.equal(probePlan({ Healthcheck: { Test: ['NONE'] } }), undefined);
  });

  it('takes from the image what the container leaves out', () => {
    const image = { Test: ['CMD', 'probe'], Interval: 1e9, Retries: 7, Timeout: 'soon' };
    assert.deepEqual(mergeHealthcheck(undefined, image), {
      Test: ['CMD', 'probe'],
      Interval: 1e9,
      Retries: 7,
    });
    assert.deepEqual(mergeHealthcheck({ Interval: 2e9 }, image), {
      Test: ['CMD', 'probe'],
      Interval: 2e9,
      Retries: 7,
    });
    assert.deepEqual(mergeHealthcheck({ Test: ['NONE'] }, image)?.Test, ['NONE']);
    const hostile = { Test: ['CMD', 'x'], Interval: -1, Timeout: 5, StartPeriod: 1e9, Retries: -3 };
    assert.deepEqual(mergeHealthcheck(undefined, hostile), { Test: ['CMD', 'x'], StartPeriod: 1e9 });
    assert.equal(mergeHealthcheck(undefined, undefined), undefined);
  });

  it('is refused where it makes no sense', () => {
    assert.throws(() => validateHealthcheck({ Test: ['CMD', 'x'], Interval: 999_999 }), {
      message: 'Interval in Healthcheck cannot be less than 1ms',
    });
    assert.throws(() => validateHealthcheck({ Timeout: -1 }), { code: 'bad-request' });
    assert.throws(() => validateHealthcheck({ Retries: -1 }), {
      message: 'Retries in Healthcheck cannot be negative',
    });
    for (const Test of [['true'], ['SHELL', 'x']]) {
      validateHealthcheck({ Test });
      assert.equal(probePlan({ Healthcheck: { Test } }), undefined);
    }
    validateHealthcheck({ Test: ['CMD-SHELL', 'x'], Interval: 1_000_000, StartPeriod: 0 });
  });
});

describe('durations as Go prints them', () => {
  it('have the largest units that they need', () => {
    assert.deepEqual([1, 1000, 1500, 61_000, 3_600_000].map(goDuration), [
      '1ms',
      '1s',
      '1.5s',
      '1m1s',
      '1h0m0s',
    ]);
  });
});
