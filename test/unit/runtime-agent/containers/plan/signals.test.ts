import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseSignal } from '../../../../../runtime-agent/containers/plan/signals.ts';

describe('parseSignal', () => {
  it('reads names and numbers', () => {
    for (const [text, number] of [
      ['TERM', 15],
      ['SIGTERM', 15],
      ['sigkill', 9],
      ['15', 15],
      ['42', 42],
      ['WINCH', 28],
      ['RTMIN', 34],
      ['SIGRTMIN+3', 37],
      ['RTMAX-1', 63],
    ] as const) {
      assert.equal(parseSignal(text), number, text);
    }
  });

  it('refuses what is no signal', () => {
    for (const text of [
      '',
      '0',
      '65',
      '-1',
      'NOSUCH',
      'RTMIN-1',
      'RTMAX+1',
      '1e1',
      '9999',
      'SIG42',
      'sig9',
      '__proto__',
    ]) {
      assert.throws(() => parseSignal(text), { code: 'bad-request', message: /^invalid signal: / }, text);
    }
  });
});
