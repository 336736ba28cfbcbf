import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { JsonError } from '../../../../lib/json/json-fields.ts';
import { Pace } from '../../../../lib/sync/pace.ts';
import {
  booleanFilter,
  matchLabels,
  readFilters,
  textFilter,
} from '../../../../runtime-agent/engine-api/http/filters.ts';
import { EngineError } from '../../../../runtime-agent/errors.ts';

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
  test('true and false come as words or digits, several times, and not both', () => {
    const flag = (...values: readonly string[]) => booleanFilter(new Map([['dangling', values]]), 'dangling');
    assert.equal(booleanFilter(new Map(), 'dangling'), undefined);
    assert.equal(flag('true', '1'), true);
    assert.equal(flag('0', 'false'), false);
    assert.equal(flag('other', '1'), true);
    for (const values of [['true', '0'], ['1', 'false', 'true'], ['other'], ['']]) {
      assert.throws(() => flag(...values), {
        code: 'bad-request',
        message: `invalid filter 'dangling=[${values.join(' ')}]'`,
      });
    }
  });
  test('labels match by key, or by key and value', () => {
    const labels = { a: '1', b: 'x=y' };
    assert.equal(matchLabels(undefined, labels), true);
    assert.equal(matchLabels(['a'], labels), true);
    assert.equal(matchLabels(['a=1', 'b=x=y'], labels), true);
    assert.equal(matchLabels(['a=2'], labels), false);
    assert.equal(matchLabels(['toString'], labels), false);
  });
  test('names match by themselves, or by regular expressions as Go has them', () => {
    const steps = { take: () => undefined };
    for (const [text, value, expected] of [
      ['app_web', 'web', true],
      ['app_web', '^web', false],
      ['app_web', '^app_(web|api)$', true],
      ['app_web', '(?i)APP', true],
      ['a[b', 'a[b', true],
      ['a[b', '[', false],
      ['ab', '(?=a)', false],
      ['aa', '(a)\\1', false],
      ['a'.repeat(300), 'a'.repeat(300), true],
      ['a', 'a'.repeat(3000), false],
    ] as const) {
      const matches = textFilter(new Map([['name', [value]]]), 'name');
      assert.equal(matches?.(text, steps), expected, `${value} ${text}`);
    }
    assert.equal(textFilter(new Map(), 'name'), undefined);
  });
  test('expressions that would backtrack take steps in proportion to the text', async () => {
    for (const value of ['(a+)+!', '(a|a)*!', '(.*)*(.*)*!', '(a*)*(a*)*(a*)*!']) {
      const pace = new Pace();
      const matches = textFilter(new Map([['name', [value]]]), 'name');
      const names = Array.from({ length: 100 }, () => 'a'.repeat(5000));
      assert.deepEqual(await pace.filter(names, (name) => matches?.(name, pace) ?? true), []);
      assert.ok(pace.turns > 10, 'other requests are served meanwhile');
    }
  });
  test('expressions that are too large together are refused', () => {
    const values = Array.from({ length: 50 }, (_, index) => `a{900}${index}`);
    assert.throws(() => textFilter(new Map([['name', values]]), 'name'), /name.*too large/);
    // Those that find nothing, as each of them is too large, were compiled as well.
    const larger = Array.from({ length: 50 }, (_, index) => `a{700}b{700}${index}`);
    assert.throws(() => textFilter(new Map([['name', larger]]), 'name'), /name.*too large/);
  });
});
