import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { SettingInvalidError } from '../../../../auth/errors.ts';
import {
  boolean,
  integer,
  list,
  nullable,
  object,
  oneOf,
  optional,
  readFields,
  record,
  text,
  time,
} from '../../../../server/api/schema.ts';

const PORT = object({ port: integer({ minimum: 1, maximum: 65535 }), public: optional(boolean()) });
const FIELDS = {
  name: text(),
  kind: optional(oneOf(['web', 'job'])),
  scopes: optional(list(text())),
  labels: optional(record(text())),
  ends: optional(nullable(time())),
  ports: optional(list(PORT)),
  maximum: optional(integer({ maximum: 3 })),
};
const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(object(FIELDS).json);

for (const [what, value, message] of [
  ['an unknown field', { name: 'a', more: 1 }, 'the field "more" is not known'],
  ['an unknown field before a missing one', { more: 1 }, 'the field "more" is not known'],
  ['a missing field', {}, 'the field "name" is missing'],
  ['a name of Object.prototype', { constructor: 1 }, 'the field "constructor" is not known'],
  ['a number for a string', { name: 1 }, 'the field "name" must be a string'],
  ['null for a string', { name: null }, 'the field "name" must be a string'],
  ['another value', { name: 'a', kind: 'x' }, 'the field "kind" must be one of web, job'],
  ['a string for a list', { name: 'a', scopes: 'x' }, 'the field "scopes" must be a list of strings'],
  ['a list of numbers', { name: 'a', scopes: ['x', 1] }, 'the field "scopes" must be a list of strings'],
  ['a list for an object', { name: 'a', labels: [] }, 'the field "labels" must be an object of strings'],
  [
    'an object of numbers',
    { name: 'a', labels: { b: 1 } },
    'the field "labels" must be an object of strings',
  ],
  [
    'a number for a time',
    { name: 'a', ends: 5 },
    'the field "ends" must be a time such as 2030-01-31T00:00:00Z, or null',
  ],
  [
    'a list of strings for objects',
    { name: 'a', ports: ['x'] },
    'the field "ports" must be a list of objects',
  ],
  ['a missing field of an object', { name: 'a', ports: [{}] }, 'the field "ports.port" is missing'],
  [
    'an unknown field of an object',
    { name: 'a', ports: [{ port: 1, x: 1 }] },
    'the field "ports.x" is not known',
  ],
  [
    'a number out of range',
    { name: 'a', ports: [{ port: 65536 }] },
    'the field "ports.port" must be a whole number from 1 to 65535',
  ],
  ['a fraction', { name: 'a', maximum: 1.5 }, 'the field "maximum" must be a whole number to 3'],
] as const) {
  test(`the reader and the schema refuse ${what}`, () => {
    assert.throws(() => readFields(FIELDS, value), new SettingInvalidError(message));
    assert.equal(validate(value), false);
  });
}

test('the reader and the schema take a whole object', () => {
  const value = {
    name: '',
    kind: 'job',
    scopes: [],
    labels: { a: '' },
    ends: '2030-01-31T00:00:00Z',
    ports: [{ port: 1, public: false }],
    maximum: -4,
  };
  assert.deepEqual(readFields(FIELDS, value), { ...value, ends: new Date('2030-01-31T00:00:00Z') });
  assert.equal(validate(value), true);
  assert.deepEqual(readFields(FIELDS, { name: 'a', ends: null }), { name: 'a', ends: null });
  assert.equal(validate({ name: 'a', ends: null }), true);
});

test('a value of a list of choices, or null', () => {
  const choice = nullable(oneOf(['a', 'b'], { description: 'One' }));
  const validates = new Ajv2020().compile(choice.json);
  assert.deepEqual(
    ['a', null, 'c'].map((value) => validates(value)),
    [true, true, false],
  );
  assert.throws(
    () => choice.read('c', 'x'),
    new SettingInvalidError('the field "x" must be one of a, b, or null'),
  );
});
