import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ContainerState } from '../../../../runtime-agent/containers/container-info.ts';
import { humanSize, pullLine } from '../../../../runtime-agent/engine-api/http/progress-stream.ts';
import { eventJson } from '../../../../runtime-agent/engine-api/routes/events.ts';
import {
  humanDuration,
  shownStatus,
  statusText,
  ZERO_TIME,
} from '../../../../runtime-agent/engine-api/views/status-text.ts';

const HOUR = 3600_000;
const DAY = 24 * HOUR;

test('durations are worded as Docker words them', () => {
  const cases: readonly [milliseconds: number, words: string][] = [
    [450, 'Less than a second'],
    [1000, '1 second'],
    [47_000, '47 seconds'],
    [60_000, 'About a minute'],
    [3 * 60_000, '3 minutes'],
    [35 * 60_000 + 40_000, '35 minutes'],
    [HOUR, 'About an hour'],
    [3 * HOUR + 59 * 60_000, '4 hours'],
    [35 * HOUR, '35 hours'],
    [3 * DAY, '3 days'],
    [2 * 7 * DAY + 4 * DAY, '2 weeks'],
    [65 * DAY, '2 months'],
    [36 * 30 * DAY, '2 years'],
  ];
  for (const [milliseconds, words] of cases) assert.equal(humanDuration(milliseconds), words);
});

describe('the status of a container', () => {
  const now = Date.parse('2026-01-01T00:10:00Z');
  const state = (change: Partial<ContainerState>): ContainerState => ({
    status: 'exited',
    pid: 0,
    exitCode: 3,
    oomKilled: false,
    error: '',
    startedAt: '2026-01-01T00:00:00.123456789Z',
    finishedAt: '2026-01-01T00:05:00.5Z',
    restartCount: 0,
    stoppedByUser: false,
    ...change,
  });
  test('says how it ended and when', () =>
    assert.equal(statusText(state({}), now), 'Exited (3) 4 minutes ago'));
  test('says how healthy it is, where it has a health check', () => {
    const health = (Status: 'starting' | 'healthy' | 'unhealthy') =>
      statusText(state({ status: 'running', health: { Status, FailingStreak: 0, Log: [] } }), now);
    assert.deepEqual(
      [health('starting'), health('healthy'), health('unhealthy')],
      ['Up 9 minutes (health: starting)', 'Up 9 minutes (healthy)', 'Up 9 minutes (unhealthy)'],
    );
  });
  test('says since when it runs', () => {
    assert.equal(statusText(state({ status: 'running' }), now), 'Up 9 minutes');
    assert.equal(statusText(state({ status: 'paused' }), now), 'Up 9 minutes (Paused)');
  });
  test('is created until the first process has run', () => {
    const failed = state({ startedAt: ZERO_TIME, exitCode: 127 });
    assert.equal(shownStatus(failed), 'created');
    assert.equal(statusText(failed, now), 'Created');
  });
  test('does not go negative when the clock was set back', () =>
    assert.equal(statusText(state({ status: 'running' }), 0), 'Up Less than a second'));
});

test('an event keeps its nanoseconds and what its attributes say', () => {
  const text = eventJson({
    type: 'container',
    action: 'start',
    id: 'c1',
    attributes: { image: 'a:1', name: 'x', timeNano: 'NANO' },
    timeNano: 1_700_000_000_123_456_789n,
  });
  assert.match(text, /"timeNano":1700000000123456789\}$/);
  const event = JSON.parse(text);
  assert.equal(event.time, 1_700_000_000);
  assert.equal(event.status, 'start');
  assert.equal(event.from, 'a:1');
  assert.deepEqual(event.Actor, { ID: 'c1', Attributes: { image: 'a:1', name: 'x', timeNano: 'NANO' } });
});

test('pull progress is worded as dockerd words it', () => {
  assert.deepEqual(pullLine({ kind: 'layer', id: 'abc', state: 'downloading', current: 500, total: 1000 }), {
    status: 'Downloading',
    progressDetail: { current: 500, total: 1000 },
    progress: `[${'='.repeat(25)}>${' '.repeat(24)}]    500B/1kB`,
    id: 'abc',
  });
  assert.deepEqual(pullLine({ kind: 'status', newer: false, reference: 'a:1' }), {
    status: 'Status: Image is up to date for a:1',
  });
  assert.equal(humanSize(2_746_000), '2.746MB');
  assert.equal(humanSize(999), '999B');
});
