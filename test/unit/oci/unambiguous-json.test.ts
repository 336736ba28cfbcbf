import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManifestInvalidError } from '../../../oci/errors.ts';
import { refuseAmbiguousJson } from '../../../oci/json.ts';
import { fc } from '../../support/properties.ts';

const check = (text: string) => refuseAmbiguousJson(Buffer.from(text), 'the document');

for (const text of [
  '{"a":1,"a":2}',
  '{"a":1,"b":{},"a":[]}',
  '{"x":[{"a":1,"b":2,"a":3}]}',
  '{"a":1,"\\u0061":2}',
  '{"\\"":1,"\\"":2}',
  '{ "a" : "}" , "a" : 1 }',
]) {
  test(`${text}: a key twice is refused`, async () => {
    await assert.rejects(check(text), ManifestInvalidError);
  });
}

for (const text of [
  '{"layers":[],"Layers":[{}]}',
  '{"Subject":{}}',
  '{"layers":[{"annotations":{}},{"digest":"a","DIGEST":"b"}]}',
  '{"config":{"\\u017fize":1}}',
  '{"annotations":{},"manifests":[{"platform":{"OS":"linux"}}]}',
]) {
  test(`${text}: a field in another case, which Go reads as the field, is refused`, async () => {
    await assert.rejects(check(text), /which some programs read as/);
  });
}

for (const text of [
  '{"annotations":{"Layers":"a","layers":"b","Size":"c"},"layers":[{"annotations":{"URLs":"a"}}]}',
  '{}',
  '[]',
  '{"a":{"a":{"a":1}},"b":{"a":1}}',
  '[{"a":1},{"a":2}]',
  '{"a":"a","b":"a","c":["a","a"]}',
  '{"a":"\\"b\\":1,\\"b\\":2","b":3}',
  '{"a":"{\\"a\\":1,","b":"\\\\"}',
  '{"a":1,"A":2}',
]) {
  test(`${text}: each object has its keys once`, async () => {
    await check(text);
  });
}

test('64 levels are taken, 65 are not', async () => {
  const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
  await check(nested(64));
  await assert.rejects(check(nested(65)), /nested deeper/);
  await assert.rejects(check(nested(100_000)), /nested deeper/);
});

test('what JSON.stringify writes is taken, unless a key is put in twice', async () => {
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 })), async (value) => {
      await check(JSON.stringify(value));
      await check(JSON.stringify(value, undefined, 2));
      for (const key of Object.keys(value).slice(0, 1)) {
        const twice = `${JSON.stringify(value).slice(0, -1)},${JSON.stringify(key)}:0}`;
        await assert.rejects(check(twice), ManifestInvalidError, twice);
      }
    }),
  );
});
