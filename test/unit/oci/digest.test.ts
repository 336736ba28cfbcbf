import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestAlgorithm, digestHex, isDigest, parseDigest } from '../../../oci/digest.ts';
import { DigestInvalidError } from '../../../oci/errors.ts';
import { fc } from '../../support/properties.ts';

const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`));

test('a digest is a registered algorithm and lower-case hex of its length', () => {
  const digests = fc.oneof(
    hex(64).map((text) => ['sha256', text] as const),
    hex(128).map((text) => ['sha512', text] as const),
  );
  fc.assert(
    fc.property(digests, ([algorithm, text]) => {
      const digest = parseDigest(`${algorithm}:${text}`);
      assert.equal(digestAlgorithm(digest), algorithm);
      assert.equal(digestHex(digest), text);
    }),
  );
});

test('one changed character makes it none', () => {
  fc.assert(
    fc.property(hex(64), fc.nat(63), fc.string({ minLength: 1 }), (text, position, insert) => {
      const changed = `sha256:${text.slice(0, position)}${insert}${text.slice(position + 1)}`;
      assert.equal(isDigest(changed), /^sha256:[0-9a-f]{64}$/.test(changed));
    }),
  );
});

test('anything else is refused as such', () => {
  const zeros = '0'.repeat(64);
  for (const text of [
    '',
    ':',
    'sha256',
    'sha256:',
    zeros,
    `sha256:${zeros}0`,
    `sha256:${zeros.slice(1)}`,
    `sha256:${zeros}\n`,
    `SHA256:${zeros}`,
    `sha512:${zeros}`,
    `md5:${'0'.repeat(32)}`,
    `sha256:${'A'.repeat(64)}`,
    `sha256:../../${'0'.repeat(58)}`,
    `__proto__:${zeros}`,
    'x'.repeat(1_000_000),
  ]) {
    assert.equal(isDigest(text), false);
    assert.throws(() => parseDigest(text), DigestInvalidError);
  }
});
