import assert from 'node:assert/strict';
import { test } from 'node:test';
import { warning } from '../../../server/http/answer.ts';
import { fc } from '../../support/properties.ts';

test('a warning is exactly 299 - "text"', () => {
  assert.equal(warning('This image is deprecated.'), '299 - "This image is deprecated."');
  assert.equal(warning('a "b" \\ c\r\nd é'), `299 - "a 'b' ' c??d ?"`);
});

test('whatever the text, a warning is a header of at most 4096 bytes', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 10_000 }), (text) => {
      const value = warning(text);
      assert.match(value, /^299 - "[^"\\]*"$/);
      assert.ok(Buffer.byteLength(value) <= 4096);
      assert.match(value, /^[\x20-\x7e]+$/);
    }),
  );
  assert.equal(warning('x'.repeat(9_999)).length, 4096);
});
