import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Expression, ExpressionError } from '../../../../lib/pattern/expression.ts';

describe("regular expressions in Go's syntax", () => {
  for (const [source, text, expected] of [
    ['web', 'app_web_1', true],
    ['^web', 'app_web_1', false],
    ['^/?app_(web|api)_[0-9]+$', '/app_api_12', true],
    ['(?i)WEB', 'web', true],
    ['\\Aa\\z', 'a', true],
    ['[[:digit:]]{2}', 'a12', true],
    ['\\pL', 'é', true],
    ['a.c', 'abc', true],
    ['', 'a', true],
  ] as const) {
    test(`${source} ${expected ? 'finds' : 'does not find'} ${text}`, () =>
      assert.equal(new Expression(source).test(text), expected));
  }

  for (const [source, message] of [
    ['[', /^missing closing \]: `\[`$/],
    ['(?=a)', /invalid or unsupported Perl syntax/],
    ['(a)\\1', /invalid escape sequence/],
    ['a{1001}', /invalid repeat count/],
    ['((a{10}){10}){20}', /invalid repeat count/],
    ['a{999}b{999}', /^expression too large$/],
    ['('.repeat(1020), /./],
    ['x'.repeat(1025), /^expression too large$/],
  ] as const) {
    test(`${source.slice(0, 20)} is refused`, () =>
      assert.throws(
        () => new Expression(source),
        (error: unknown) => error instanceof ExpressionError && message.test(error.message),
      ));
  }

  test('a match takes no more steps than the instructions and characters multiplied', () => {
    const text = 'a'.repeat(1000);
    for (const source of ['(a+)+!', '(a|aa)*!', '(a?){50}a{50}!']) {
      let taken = 0;
      const expression = new Expression(source);
      assert.equal(expression.test(text, { take: (count) => (taken += count) }), false);
      assert.ok(expression.size < 300 && taken <= expression.size * (text.length + 1));
    }
  });
});
