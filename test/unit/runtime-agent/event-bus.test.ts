import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeTimestamp } from '../../../runtime-agent/engine-api/http/query.ts';
import { EventBus, nanoseconds } from '../../../runtime-agent/events/event-bus.ts';

test('a moment is after all events before it, and before all after it, within one millisecond too', () => {
  const bus = new EventBus();
  const publish = (action: string) => bus.publish({ type: 'container', action, id: 'x', attributes: {} });
  publish('start');
  const since = bus.now();
  publish('pause');
  publish('unpause');
  const until = bus.now();
  publish('die');
  // As clients send it: seconds with nine decimals, which become a number of milliseconds.
  const seen = bus
    .recent(Number(since) / 1e6)
    .filter(({ timeNano }) => timeNano <= nanoseconds(Number(until) / 1e6));
  assert.deepEqual(
    seen.map(({ action }) => action),
    ['pause', 'unpause'],
  );
});

test('a moment of a query is read to the microsecond, in seconds and in RFC 3339', () => {
  for (const text of [
    '1796151587.138001000',
    '2026-12-01T18:59:47.138001Z',
    '2026-12-01T18:59:47.138001000Z',
  ]) {
    const milliseconds = decodeTimestamp(new URLSearchParams({ since: text }), 'since');
    assert.equal(nanoseconds(milliseconds ?? 0), 1_796_151_587_138_001_000n, text);
  }
});

test('events are kept by their number, and by the length of their labels', () => {
  const bus = new EventBus();
  const publish = (id: string, label: string) =>
    bus.publish({ type: 'container', action: 'create', id, attributes: { label } });
  for (let index = 0; index < 2000; index += 1) publish(`${index}`, 'short');
  assert.equal(bus.recent(0).length, 1024);
  for (let index = 0; index < 100; index += 1) publish(`long${index}`, 'x'.repeat(1 << 20));
  assert.ok(bus.recent(0).length <= 8);
  assert.equal(bus.recent(0).at(-1)?.id, 'long99');
});

test('events follow a clock that is set back, and one that is set forward', (t) => {
  const NOON = Date.parse('2026-01-01T12:00:00Z');
  t.mock.timers.enable({ apis: ['Date'], now: NOON });
  const bus = new EventBus();
  bus.now();
  for (const moment of [NOON + 86_400_000, NOON, NOON + 3_600_000]) {
    t.mock.timers.setTime(moment);
    assert.equal(bus.now(), nanoseconds(moment));
    // What follows within the same millisecond stays in order.
    assert.equal(bus.now(), nanoseconds(moment) + 1000n);
  }
});
