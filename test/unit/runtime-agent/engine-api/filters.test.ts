import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { JsonError } from '../../../../lib/json/json-fields.ts';
import {
  matchesPattern,
  matchLabels,
  readFilters,
} from '../../../../runtime-agent/engine-api/http/filters.ts';
import { globMatcher } from '../../../../runtime-agent/engine-api/http/glob.ts';
import { EngineError } from '../../../../runtime-agent/errors.ts';
import { fc } from '../../../support/properties.ts';

const read = (text: string) => readFilters(new URLSearchParams({ filters: text }), ['name', 'label']);

describe('filters', () => {
  test('come as maps or lists', () => {
    assert.deepEqual(read('{"name":{"a":true,"b":true,"c":false}}').get('name'), ['a', 'b']);
    assert.deepEqual(read('{"name":["a"]}').get('name'), ['a']);
    assert.equal(read('{"name":{}}').has('name'), false);
    assert.equal(readFilters(new URLSearchParams(), []).size, 0);
    assert.equal(read('null').size, 0);
    assert.equal(read('{"name":null}').has('name'), false);
  });
  for (const [text, message] of [
    ['{"nokey":{"a":true}}', /^invalid filter 'nokey'$/],
    ['{', /^invalid filter: /],
    ['[]', /expected a JSON object/],
    ['{"name":"a"}', /expected its values as strings/],
    ['{"name":[1]}', /expected its values as strings/],
  ] as const) {
    test(`${text} is refused`, () =>
      assert.throws(
        () => read(text),
        (error: unknown) =>
          (error instanceof EngineError || error instanceof JsonError) &&
          error.code === 'bad-request' &&
          message.test(error.message),
      ));
  }
  test('labels match by key, or by key and value', () => {
    const labels = { a: '1', b: 'x=y' };
    assert.equal(matchLabels(undefined, labels), true);
    assert.equal(matchLabels(['a'], labels), true);
    assert.equal(matchLabels(['a=1', 'b=x=y'], labels), true);
    assert.equal(matchLabels(['a=2'], labels), false);
    assert.equal(matchLabels(['toString'], labels), false);
  });
  test('names match by regular expressions, or as text', () => {
    assert.equal(matchesPattern('app_web', 'web'), true);
    assert.equal(matchesPattern('app_web', '^web'), false);
    assert.equal(matchesPattern('app_web', '^app_(web|api)$'), true);
    assert.equal(matchesPattern('a[b', '['), true);
    assert.equal(matchesPattern('a', 'a'.repeat(300)), false);
  });
});

describe('glob patterns', () => {
  for (const [pattern, text, expected] of [
    ['busybox', 'busybox', true],
    ['busy*', 'busybox', true],
    ['busy*', 'busybox/x', false],
    ['*/app', 'team/app', true],
    ['a?c', 'abc', true],
    ['a.c', 'abc', false],
    ['[a-c]x', 'bx', true],
    ['[^a-c]x', 'bx', false],
    ['a\\*', 'a*', true],
    ['127.0.0.1:5000/*:1', '127.0.0.1:5000/a:1', true],
  ] as const) {
    test(`${pattern} ${expected ? 'matches' : 'does not match'} ${text}`, () =>
      assert.equal(globMatcher(pattern)(text), expected));
  }
  test('any text is a pattern or a bad request', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (pattern, text) => {
        try {
          globMatcher(pattern)(text);
        } catch (error) {
          assert.ok(error instanceof EngineError, String(error));
        }
      }),
    );
  });
});
