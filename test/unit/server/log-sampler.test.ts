import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogSampler } from '../../../server/log.ts';

test('so many lines a second are logged, and of those beyond one in so many, which counts the others', () => {
  let now = 5000;
  const sampler = new LogSampler({ always: 2, oneIn: 3, now: () => now });
  const take = (times: number) => Array.from({ length: times }, () => sampler.take());
  assert.deepEqual(take(8), [0, 0, undefined, undefined, 2, undefined, undefined, 2]);
  assert.deepEqual(take(1), [undefined]);
  now = 6000;
  assert.deepEqual(take(3), [1, 0, undefined], 'the next second begins anew, and loses no count');
});
