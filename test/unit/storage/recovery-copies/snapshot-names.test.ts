import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outdated, snapshotName, snapshotTime } from '../../../../storage/recovery-copies/snapshot-names.ts';

const at = (text: string) => snapshotName(new Date(text));

test('a name tells its time', () => {
  assert.equal(snapshotTime(at('2026-11-27T20:01:02.003Z')), '2026-11-27T20:01:02.003Z');
});

test('the latest ones stay, and the last one of each of some days', () => {
  const today = ['2026-11-27T09:00Z', '2026-11-27T08:00Z', '2026-11-27T07:00Z'].map(at);
  const earlier = ['2026-11-26T23:00Z', '2026-11-26T01:00Z', '2026-11-20T10:00Z', '2026-11-19T10:00Z'].map(
    at,
  );
  const names = [...today, ...earlier];
  assert.deepEqual(outdated(names, { latest: 2, days: 3 }), [
    at('2026-11-27T07:00Z'),
    at('2026-11-26T01:00Z'),
    at('2026-11-19T10:00Z'),
  ]);
  assert.deepEqual(outdated(names, { latest: 3, days: 0 }), earlier);
  assert.deepEqual(outdated([], { latest: 3, days: 7 }), []);
});
