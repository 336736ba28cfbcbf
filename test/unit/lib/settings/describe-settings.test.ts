import assert from 'node:assert/strict';
import { test } from 'node:test';
import { optionHelp } from '../../../../lib/settings/describe-settings.ts';

test('the text of an option has a column of its own, and a line when the option reaches it', () => {
  assert.equal(optionHelp('--data DIR', 'where'), `  --data DIR              where\n`);
  assert.equal(optionHelp('x'.repeat(23), 'where'), `  ${'x'.repeat(23)} where\n`);
  for (const length of [24, 25]) {
    assert.equal(
      optionHelp('x'.repeat(length), 'where'),
      `  ${'x'.repeat(length)}\n${' '.repeat(26)}where\n`,
    );
  }
});
