import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRange } from '../../../server/http/conditional.ts';
import { fc } from '../../support/properties.ts';

for (const [header, size, expected] of [
  [undefined, 10, { kind: 'whole' }],
  ['bytes=0-0', 10, { kind: 'part', start: 0, end: 0 }],
  ['bytes=2-5', 10, { kind: 'part', start: 2, end: 5 }],
  ['Bytes=2-5', 10, { kind: 'part', start: 2, end: 5 }],
  ['bytes=2-', 10, { kind: 'part', start: 2, end: 9 }],
  ['bytes=2-99', 10, { kind: 'part', start: 2, end: 9 }],
  ['bytes=-3', 10, { kind: 'part', start: 7, end: 9 }],
  ['bytes=-99', 10, { kind: 'part', start: 0, end: 9 }],
  ['bytes=10-', 10, { kind: 'unsatisfiable' }],
  ['bytes=-0', 10, { kind: 'unsatisfiable' }],
  ['bytes=0-', 0, { kind: 'unsatisfiable' }],
  ['bytes=-5', 0, { kind: 'unsatisfiable' }],
  ['bytes=5-2', 10, { kind: 'whole' }],
  ['bytes=-', 10, { kind: 'whole' }],
  ['bytes=0-1,4-5', 10, { kind: 'whole' }],
  ['lines=0-1', 10, { kind: 'whole' }],
  ['bytes=x-1', 10, { kind: 'whole' }],
] as const) {
  test(`Range: ${header} of ${size} bytes`, () => {
    assert.deepEqual(parseRange(header, size), expected);
  });
}

test('whatever the header, a part lies within the content', () => {
  const number = fc.oneof(fc.constant(''), fc.nat().map(String), fc.bigInt({ min: 0n }).map(String));
  const header = fc.oneof(
    fc.string(),
    fc.tuple(number, number).map(([first, last]) => `bytes=${first}-${last}`),
  );
  fc.assert(
    fc.property(header, fc.nat(), (text, size) => {
      const range = parseRange(text, size);
      if (range.kind !== 'part') return;
      assert.ok(0 <= range.start && range.start <= range.end && range.end < size, JSON.stringify(range));
    }),
  );
});
