import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StallClock, type ThreadReading } from '../../../../lib/watchdog/stall-clock.ts';

const LIMIT = 10_000;
const INTERVAL = 1_000;

/** Looks that a clock needs until it says that the event loop has stalled, at most 1,000; the first sees a heartbeat. */
function looksUntilStall(
  reading: (look: number) => Partial<ThreadReading> | undefined,
  elapsed: (look: number) => number = () => INTERVAL,
  beats: (look: number) => number = () => 0,
): number | undefined {
  const clock = new StallClock(LIMIT, INTERVAL);
  for (let look = 1; look <= 1000; look += 1) {
    const found = reading(look);
    const read = () => (found === undefined ? undefined : { state: 'R', traced: false, queued: 0, ...found });
    if (clock.look({ beats: beats(look), elapsed: elapsed(look), read })) return look;
  }
  return undefined;
}

test('an event loop that does not turn has stalled after the limit, whether it computes or sleeps in a call', () => {
  // A heartbeat, the first reading, and ten times a second.
  assert.equal(
    looksUntilStall(() => ({ state: 'R' })),
    12,
  );
  assert.equal(
    looksUntilStall(() => ({ state: 'S' })),
    12,
  );
  assert.equal(
    looksUntilStall(() => undefined),
    12,
    'systems without proc(5)',
  );
});

test('each heartbeat begins anew', () => {
  const everyTen = (look: number) => Math.floor(look / 10);
  assert.equal(
    looksUntilStall(
      () => ({}),
      () => INTERVAL,
      everyTen,
    ),
    undefined,
  );
});

test('waiting for a device gets six times the limit', () => {
  assert.equal(
    looksUntilStall(() => ({ state: 'D' })),
    62,
  );
});

test('time in which the thread waited for a processor does not count', () => {
  assert.equal(
    looksUntilStall((look) => ({ queued: look * INTERVAL })),
    undefined,
  );
  assert.equal(
    looksUntilStall((look) => ({ queued: (look * INTERVAL) / 2 })),
    22,
  );
});

test('a process that was stopped, a machine that was suspended and a debugger are no stall', () => {
  assert.equal(
    looksUntilStall(
      () => ({}),
      (look) => (look === 3 ? 86_400_000 : INTERVAL),
    ),
    12,
    'a look that comes a day late counts as one',
  );
  for (const state of ['T', 't']) {
    assert.equal(
      looksUntilStall(() => ({ state })),
      undefined,
    );
  }
  assert.equal(
    looksUntilStall(() => ({ traced: true })),
    undefined,
  );
});
