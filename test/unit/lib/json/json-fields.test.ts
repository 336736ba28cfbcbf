import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { JsonError, JsonFields, parseJson } from '../../../../lib/json/json-fields.ts';
import { fc } from '../../../support/properties.ts';

describe('fields as Go reads them', () => {
  const fields = new JsonFields({ NAME: 'a', name: 'b', none: null, Deep: { List: [{ x: 1 }, null] } });
  test('match in any case, and the last of several wins', () => {
    assert.equal(fields.string('Name'), 'b');
    assert.equal(new JsonFields({ '\u212aey\u017f': 'v' }).string('Keys'), 'v');
  });
  test('are absent where they are null', () => {
    assert.deepEqual(
      [fields.has('None'), fields.string('None'), fields.optionalStrings('None')],
      [false, '', null],
    );
    assert.equal(new JsonFields(null).has('a'), false);
  });
  test('are named whole where their type is wrong', () => {
    const deep = fields.fields('deep');
    const [first, second] = deep.list('list');
    assert.throws(() => first?.string('X'), {
      name: 'JsonError',
      message: 'deep.list[0].X must be a string',
    });
    assert.equal(second?.string('X'), '');
    assert.throws(() => deep.map('list'), { message: 'deep.list must be an object' });
  });
  test('of maps keep their keys, and null in them is empty', () => {
    const map = new JsonFields({ m: { Key: null, __proto__x: 'y' } }).stringMap('M');
    assert.deepEqual(map, { Key: '', __proto__x: 'y' });
    const polluted = new JsonFields(parseJson('{"m":{"__proto__":"x"},"__proto__":{"image":"y"}}', 'x'));
    assert.deepEqual(Object.entries(polluted.stringMap('m')), [['__proto__', 'x']]);
    assert.equal(polluted.string('image'), '');
  });
  test('of anything are read or refused by a JsonError', () => {
    const readers = [
      'string',
      'boolean',
      'integer',
      'strings',
      'command',
      'stringMap',
      'set',
      'fields',
    ] as const;
    const more = ['list', 'map', 'mapOfLists'] as const;
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...readers, ...more), (value, reader) => {
        try {
          new JsonFields({ a: value })[reader]('A');
        } catch (error) {
          assert.ok(error instanceof JsonError, String(error));
        }
      }),
    );
  });
});

test('a text that is no JSON is refused, however deep', () => {
  assert.throws(() => parseJson('{', 'invalid JSON'), { code: 'bad-request', message: /^invalid JSON: / });
  assert.throws(() => parseJson('['.repeat(1 << 20), 'invalid JSON'), JsonError);
});
