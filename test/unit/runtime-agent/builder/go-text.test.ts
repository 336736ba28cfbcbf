import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { goHealthcheck, goList, goSet } from '../../../../runtime-agent/builder/solver/plan-config.ts';

/** As Go's package fmt has them, and with it BuildKit in the histories of images. */
describe('texts of the history', () => {
  test('lists and sets', () => {
    assert.equal(goList(['node', 'a "b"']), '["node" "a \\"b\\""]');
    assert.equal(goSet(['b', 'a']), 'map[a:{} b:{}]');
  });

  for (const [check, text] of [
    [{ Test: ['NONE'] }, `&{["NONE"] "0s" "0s" "0s" "0s" '\\x00'}`],
    [
      { Test: ['CMD-SHELL', 'node healthcheck.js'], Interval: 30e9 },
      `&{["CMD-SHELL" "node healthcheck.js"] "30s" "0s" "0s" "0s" '\\x00'}`,
    ],
    [
      { Test: ['CMD', 'a', 'b'], Interval: 90e9, Timeout: 500e6, StartPeriod: 3600e9, Retries: 3 },
      `&{["CMD" "a" "b"] "1m30s" "500ms" "1h0m0s" "0s" '\\x03'}`,
    ],
    [
      { Test: ['CMD', 'a'], StartInterval: 1500e6, Retries: 10 },
      `&{["CMD" "a"] "0s" "0s" "0s" "1.5s" '\\n'}`,
    ],
    [{ Test: ['CMD', 'a'], Retries: 65 }, `&{["CMD" "a"] "0s" "0s" "0s" "0s" 'A'}`],
    [{ Test: ['CMD', 'a'], Retries: 0x80 }, `&{["CMD" "a"] "0s" "0s" "0s" "0s" '\\u0080'}`],
  ] as const) {
    test(text, () => assert.equal(goHealthcheck(check), text));
  }
});
