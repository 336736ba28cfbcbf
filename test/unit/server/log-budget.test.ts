import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogBudget, shorten, shortPath } from '../../../server/log.ts';

const MEGABYTE = 1024 * 1024;

test('a log grows by no more than its budget, and says how many lines were left out', () => {
  let now = 0;
  const budget = new LogBudget(() => now);
  let bytes = 0;
  let dropped = 0;
  for (let line = 0; line < 1_000_000; line += 1) {
    now += 0.1;
    const before = budget.take(1000);
    if (before === undefined) dropped += 1;
    else {
      bytes += 1000;
      assert.ok(before <= dropped);
      dropped -= before;
    }
  }
  assert.ok(bytes <= 8 * MEGABYTE + (100 * MEGABYTE) / 4, `${bytes} bytes in 100 seconds`);
  now += 60_000;
  assert.equal(budget.take(1000), dropped, 'what was left out is counted at last');
  assert.equal(budget.take(1000), 0);
});

test('a line that is larger than all that is left is left out, and smaller ones are not', () => {
  const budget = new LogBudget(() => 0);
  assert.equal(budget.take(8 * MEGABYTE - 10), 0);
  assert.equal(budget.take(100), undefined);
  assert.equal(budget.take(10), 1);
});

test('long paths are cut, and those of a registry are not', () => {
  const path = `/v2/${'a'.repeat(255)}/manifests/sha512:${'0'.repeat(128)}`;
  assert.equal(shortPath(path), path);
  assert.equal(shortPath(`/${'x'.repeat(15_000)}`), `/${'x'.repeat(449)}… (15001 characters)`);
  assert.equal(shorten('abc', 3), 'abc');
});
