import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { suggestion } from '../../../../runtime-agent/builder/frontend/suggest.ts';

const OPTIONS = ['FROM', 'RUN', 'COPY', 'HEALTHCHECK'];

describe('what may have been meant', () => {
  for (const [typed, expected] of [
    ['FORM', ' (did you mean FROM?)'],
    ['RNU', ' (did you mean RUN?)'],
    ['healthchek', ' (did you mean HEALTHCHECK?)'],
    ['COPYYYY', ' (did you mean COPY?)'],
    ['COPYYYYY', ''],
    ['NOTHING', ''],
  ] as const) {
    test(`${typed}${expected}`, () => assert.equal(suggestion(typed, OPTIONS), expected));
  }

  test('a word as long as a file is compared with nothing', (t) => {
    const { min } = Math;
    const counted = t.mock.method(Math, 'min', (...values: number[]) => min(...values));
    assert.equal(suggestion('x'.repeat(1 << 20), OPTIONS), '');
    assert.equal(counted.mock.callCount(), 0);
  });
});
