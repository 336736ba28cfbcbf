import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JsonError, parseJson } from '../../../../lib/json/json-fields.ts';
import { findSyntaxFault } from '../../../../lib/json/syntax-error.ts';

/** As Go 1.24 prints them. */
const FAULTS: Readonly<Record<string, string>> = {
  '{invalid json': "invalid character 'i' looking for beginning of object key string",
  '{,}': "invalid character ',' looking for beginning of object key string",
  '{"a":1,}': "invalid character '}' looking for beginning of object key string",
  '{"a" 1}': "invalid character '1' after object key",
  '{"a":1 "b"}': "invalid character '\"' after object key:value pair",
  '{"a":x}': "invalid character 'x' looking for beginning of value",
  "{'a'": "invalid character '\\'' looking for beginning of object key string",
  '[1 2]': "invalid character '2' after array element",
  '[1,]': "invalid character ']' looking for beginning of value",
  '"a\nb"': "invalid character '\\n' in string literal",
  '"\\x"': "invalid character 'x' in string escape code",
  '"\\u12g4"': "invalid character 'g' in \\u hexadecimal character escape",
  '-x': "invalid character 'x' in numeric literal",
  '1.x': "invalid character 'x' after decimal point in numeric literal",
  '1ex': "invalid character 'x' in exponent of numeric literal",
  trve: "invalid character 'v' in literal true (expecting 'u')",
  '{"a":': 'unexpected EOF',
  '{': 'unexpected EOF',
  '"abc': 'unexpected EOF',
  '01': "invalid character '1' after top-level value",
};

for (const [text, message] of Object.entries(FAULTS)) {
  test(`the fault of ${text.replace('\n', '\\n')}`, () => {
    assert.throws(() => JSON.parse(text));
    assert.equal(findSyntaxFault(text).message, message);
  });
}

test('content after a value is told as dockerd tells it', () => {
  for (const text of ['{} trailing content', '{}{}', '[] ]', '1 2']) {
    assert.throws(() => parseJson(text, 'invalid JSON'), { message: 'unexpected content after JSON' });
  }
});

test('a fault is found in whatever JSON.parse refuses', () => {
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"a"',
    '\\',
    '\\u00e9',
    '-',
    '0',
    '1.5e3',
    'true',
    'nul',
    ' ',
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
      const text = parts.join('');
      try {
        JSON.parse(text);
      } catch {
        assert.match(
          findSyntaxFault(text).message,
          /^(?:invalid character '.{1,6}' (?:in|after|looking) .+|unexpected EOF)$/,
        );
        assert.throws(() => parseJson(text, 'invalid JSON'), JsonError);
      }
    }),
    { numRuns: 2000, seed: 7 },
  );
});
