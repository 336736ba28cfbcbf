import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ShellPattern } from '../../../../lib/pattern/shell-pattern.ts';
import { trimEndOf, trimOf } from '../../../../lib/pattern/trim.ts';
import { matchesWildcard } from '../../../../lib/pattern/wildcard.ts';
import { fc } from '../../../support/properties.ts';

const steps = { take: () => undefined };
const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '?', '*', '\\*'), maxLength: 8 });
const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', '\n'), maxLength: 10 });

/** The same pattern as a regular expression. */
function expressionOf(shell: string): string {
  return shell.replaceAll('\\*', '\0').replaceAll(/\*+/g, '.*').replaceAll('?', '.').replaceAll('\0', '\\*');
}

test('the beginning and the end that match agree with a regular expression', () => {
  fc.assert(
    fc.property(pattern, text, (shell, value) => {
      const whole = new RegExp(`^(?:${expressionOf(shell)})$`, 's');
      const lengths = Array.from({ length: value.length + 1 }, (_, length) => length);
      const starts = lengths.filter((length) => whole.test(value.slice(0, length)));
      const ends = lengths.filter((length) => whole.test(value.slice(length)));
      const parsed = new ShellPattern(shell);
      assert.equal(parsed.matchStart(value, 'shortest', steps), starts.at(0));
      assert.equal(parsed.matchStart(value, 'longest', steps), starts.at(-1));
      assert.equal(parsed.matchEnd(value, 'shortest', steps), ends.at(-1));
      assert.equal(parsed.matchEnd(value, 'longest', steps), ends.at(0));
    }),
  );
});

test('the matches within a text agree with a regular expression', () => {
  fc.assert(
    fc.property(pattern, text, (shell, value) => {
      fc.pre(shell !== '');
      const expected = Array.from(value.matchAll(new RegExp(expressionOf(shell), 'gs')), (found) => ({
        start: found.index,
        end: found.index + found[0].length,
      })).filter(({ start, end }) => end > start || start === 0);
      assert.deepEqual([...new ShellPattern(shell).matches(value, steps)], expected);
    }),
  );
});

test('no match takes more steps than the pattern and the text have characters, multiplied', () => {
  const value = 'a'.repeat(2000);
  for (const shell of [`${'*a'.repeat(25)}b`, `${'*aa?'.repeat(25)}b`, `${'a'.repeat(500)}b`, '*?*?*?b*c']) {
    let taken = 0;
    const counted = { take: (count: number) => (taken += count) };
    const parsed = new ShellPattern(shell);
    const most = (shell.length + 2) * (value.length + 1);
    for (const run of [
      () => parsed.matchStart(value, 'longest', counted),
      () => parsed.matchStart(value, 'shortest', counted),
      () => parsed.matchEnd(value, 'longest', counted),
      () => parsed.matchEnd(value, 'shortest', counted),
      () => Array.from(parsed.matches(value, counted)),
    ]) {
      taken = 0;
      run();
      assert.ok(taken <= most, `${shell}: ${taken} steps`);
    }
  }
});

test('a wildcard agrees with a regular expression', () => {
  const stars = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 });
  fc.assert(
    fc.property(stars, text, (wildcard, value) => {
      const expression = new RegExp(`^${wildcard.replaceAll('*', '.*')}$`, 's');
      assert.equal(matchesWildcard(wildcard, value), expression.test(value));
    }),
  );
});

test('characters are trimmed as asked', () => {
  assert.equal(trimEndOf('1.500', '0'), '1.5');
  assert.equal(trimEndOf('000', '0'), '');
  assert.equal(trimOf(' \ta \t', ' \t'), 'a');
  assert.equal(trimOf(' \t', ' \t'), '');
});
