import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostState, SILENCE } from '../../../fleet/host.ts';

const NOW = 1_800_000_000_000;
const seen = (before: number) => ({ seenAt: new Date(NOW - before) });

test('the state of a host follows from its connection and from when it was heard of', () => {
  const connected = { connected: true, draining: false };
  const gone = { connected: false, draining: false };
  assert.equal(hostState({ ...connected, ...seen(0) }, NOW), 'online');
  assert.equal(hostState({ ...connected, draining: true, ...seen(0) }, NOW), 'draining');
  assert.equal(hostState({ ...gone, ...seen(SILENCE - 1) }, NOW), 'offline');
  assert.equal(hostState({ ...gone, ...seen(SILENCE) }, NOW), 'unknown');
  assert.equal(hostState(gone, NOW), 'unknown');
  // Its replica of the registry died.
  assert.equal(hostState({ ...connected, ...seen(SILENCE) }, NOW), 'unknown');
});
