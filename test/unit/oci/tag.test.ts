import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TagInvalidError } from '../../../oci/errors.ts';
import { isTag, parseTag } from '../../../oci/reference.ts';
import { fc } from '../../support/properties.ts';

test('a tag has 1 to 128 of its characters and begins with a word', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/), (text) => {
      assert.equal(parseTag(text), text);
    }),
  );
  fc.assert(
    fc.property(fc.string({ maxLength: 8 }), (text) => {
      const allowed = [...text].every((letter) => /[a-zA-Z0-9._-]/.test(letter));
      assert.equal(isTag(text), text !== '' && allowed && !/^[.-]/.test(text));
    }),
    { numRuns: 3_000 },
  );
});

test('anything else is refused as such', () => {
  for (const text of ['', '.', '-a', '..', 'a/b', 'a:b', 'a b', 'a\n', 'é', 'a'.repeat(129), 'sha256:abc']) {
    assert.throws(() => parseTag(text), TagInvalidError, text);
  }
  assert.ok(isTag('a'.repeat(128)));
  assert.ok(isTag(`sha256-${'0'.repeat(64)}.sig`));
});
