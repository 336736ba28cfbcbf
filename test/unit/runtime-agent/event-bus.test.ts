import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventBus } from '../../../runtime-agent/events/event-bus.ts';

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
