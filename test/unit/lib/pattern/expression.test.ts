import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Expression, ExpressionError } from '../../../../lib/pattern/expression.ts';
import { boundExpressionSize } from '../../../../lib/pattern/expression-size.ts';

// The very module that the matcher loads.
const { RE2JS } = createRequire(import.meta.url)('re2js') as typeof import('re2js');

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

  test('what would be a large program is refused before it is compiled', (t) => {
    const compile = t.mock.method(RE2JS, 'compile');
    for (const source of ['(?:abcdefgh){1000}', `(?:${'ab'.repeat(400)}){1,1000}`, 'a{900}'.repeat(100)]) {
      assert.throws(() => new Expression(source), /^ExpressionError: expression too large$/);
    }
    assert.equal(compile.mock.callCount(), 0);
    for (const source of ['[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', '^(web|api|db){1,30}$', 'a{900}']) {
      assert.ok(new Expression(source).size < 1000);
    }
  });

  test('a program is never larger than its bound', () => {
    const parts = String.raw`a é . ^ $ \b \pL \p{Greek} \x{10FFFF} \d [a-z] [^]a] [[:alpha:]b] [\]x] [{2}] \{ \) [(]
      \Qa{5}b\E \Q \E ( (?: (?i: (?P<n> ) ) ) | * + ? *? {2} {3,} {0,4} {0} {0,} {1,2}? { } {,3} (?i) k`;
    const source = fc.array(fc.constantFrom(...parts.split(/\s+/)), { maxLength: 12 });
    let compiled = 0;
    fc.assert(
      fc.property(source, (chosen) => {
        const text = chosen.join('');
        const size = programSize(text);
        if (size === undefined) return;
        compiled += 1;
        assert.ok(size <= boundExpressionSize(text), text);
      }),
      { numRuns: 3000 },
    );
    assert.ok(compiled > 300, `only ${compiled} could be compiled`);
  });
});

function programSize(source: string): number | undefined {
  try {
    return RE2JS.compile(source).programSize();
  } catch {
    return undefined;
  }
}
