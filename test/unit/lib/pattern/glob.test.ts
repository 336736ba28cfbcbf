import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Glob, isGlob, PatternError } from '../../../../lib/pattern/glob.ts';
import { fc } from '../../../support/properties.ts';

const matches = (pattern: string, text: string, doubleStars = false) =>
  new Glob(pattern, { doubleStars }).matches(text);

/** The steps of one match. */
function stepsOf(pattern: string, text: string): number {
  let taken = 0;
  const steps = { take: (count: number) => (taken += count) };
  const glob = new Glob(pattern, { doubleStars: true });
  glob.matches(text, steps);
  glob.covers(text, steps);
  return taken;
}

describe("patterns as Go's path.Match reads them", () => {
  for (const [pattern, text, expected] of [
    ['busybox', 'busybox', true],
    ['busy*', 'busybox', true],
    ['busy*', 'busybox/x', false],
    ['*/app', 'team/app', true],
    ['a?c', 'abc', true],
    ['a?c', 'a/c', false],
    ['a?c', 'aéc', true],
    ['a?c', 'a😀c', true],
    ['a.c', 'abc', false],
    ['[a-c]x', 'bx', true],
    ['[^a-c]x', 'bx', false],
    ['[^a-c]x', 'dx', true],
    ['[a\\-c]x', '-x', true],
    ['[a\\]]x', ']x', true],
    ['[α-ω]', 'λ', true],
    ['a\\*', 'a*', true],
    ['a\\*', 'ab', false],
    ['a**b', 'axyb', true],
    ['a**b', 'a/b', false],
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['127.0.0.1:5000/*:1', '127.0.0.1:5000/a:1', true],
  ] as const) {
    test(`${pattern} ${expected ? 'matches' : 'does not match'} ${text}`, () =>
      assert.equal(matches(pattern, text), expected));
  }

  for (const pattern of ['[', '[]', '[]a]', '[a', '[a-]', '[-a]', '[a-', '[^]', 'a\\', '[a\\', 'x[b-a-c]']) {
    test(`${pattern} is malformed`, () => {
      assert.throws(() => matches(pattern, 'a'), PatternError);
    });
  }

  test('are told from plain text', () => {
    assert.deepEqual(['a/b', 'a*', 'a?', 'a[', 'a\\'].map(isGlob), [false, true, true, true, true]);
  });
});

describe('double stars', () => {
  for (const [pattern, text, expected] of [
    ['**/a', 'a', true],
    ['**/a', 'x/y/a', true],
    ['**/a', 'xa', false],
    ['a/**', 'a/b/c', true],
    ['a/**', 'a', false],
    ['a/**/b', 'a/b', true],
    ['a/**/b', 'a/x/y/b', true],
    ['a/**/b', 'a/xb', false],
    ['**', 'x/y', true],
    ['**/**/**/x', 'a/x', true],
  ] as const) {
    test(`${pattern} ${expected ? 'matches' : 'does not match'} ${text}`, () =>
      assert.equal(matches(pattern, text, true), expected));
  }

  test('a path is covered by a match of a folder above it', () => {
    const covers = (pattern: string, path: string) => new Glob(pattern, { doubleStars: true }).covers(path);
    assert.deepEqual(
      ['d', 'd/a', 'dd', 'x/d'].map((path) => covers('d', path)),
      [true, true, false, false],
    );
    assert.deepEqual(
      ['a/temp', 'a/temp2/x', 'temp', 'a/b/temp'].map((path) => covers('*/temp*', path)),
      [true, true, false, false],
    );
  });
});

test('matching agrees with a regular expression', () => {
  const pattern = fc.array(fc.constantFrom('a', 'b', '/', '?', '*', '**/', '[ab]', '[^a]'), { maxLength: 7 });
  const path = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 9 });
  const meaning: Readonly<Record<string, string>> = { '?': '[^/]', '*': '[^/]*', '**/': '(?:.*/)?' };
  fc.assert(
    fc.property(pattern, path, (parts, text) => {
      fc.pre(!/\*\*\*/.test(parts.join('')) && !parts.join('').replaceAll('**/', '').includes('**'));
      const expression = new RegExp(`^(?:${parts.map((part) => meaning[part] ?? part).join('')})$`);
      assert.equal(matches(parts.join(''), text, true), expression.test(text));
      const above = text.split('/').map((_, index, names) => names.slice(0, index + 1).join('/'));
      const glob = new Glob(parts.join(''), { doubleStars: true });
      assert.equal(
        glob.covers(text),
        above.some((folder) => expression.test(folder)),
      );
    }),
  );
});

test('any text is a pattern or is refused', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (pattern, text) => {
      try {
        matches(pattern, text);
      } catch (error) {
        assert.ok(error instanceof PatternError, String(error));
      }
    }),
  );
});

test('a match takes at most two steps for each token and character', () => {
  const text = 'a'.repeat(120);
  for (const pattern of [
    `${'*a'.repeat(25)}b`,
    `${'**/*a'.repeat(25)}b`,
    `${'**/'.repeat(50)}b`,
    `${'[ab]*'.repeat(50)}c`,
    `${'?*'.repeat(50)}c`,
    `*[${'b-c'.repeat(200)}]*[${'b-c'.repeat(200)}]`,
  ]) {
    for (const path of [text, text.replaceAll('aa', 'a/'), '/'.repeat(120)]) {
      const steps = stepsOf(pattern, path);
      assert.ok(steps <= 2 * 2 * (pattern.length + 1) * (path.length + 1), `${pattern}: ${steps} steps`);
    }
  }
});

test('twice the text takes about twice the steps', () => {
  const pattern = `${'*a'.repeat(30)}b`;
  const once = stepsOf(pattern, 'a'.repeat(1000));
  const twice = stepsOf(pattern, 'a'.repeat(2000));
  assert.ok(twice < 2.2 * once, `${once} and ${twice} steps`);
});
