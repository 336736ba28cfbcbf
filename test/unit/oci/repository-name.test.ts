import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NameInvalidError } from '../../../oci/errors.ts';
import { isRepositoryName, parseRepositoryName } from '../../../oci/reference.ts';
import { fc } from '../../support/properties.ts';

/** The expression of distribution-spec, word for word. */
const GRAMMAR = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/;

test('a name is what the grammar says, up to 255 bytes', () => {
  const letters = fc.constantFrom('a', 'z', '0', '9', '.', '_', '__', '-', '---', '/', 'A', ' ', 'é', '\n');
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 12 }), (parts) => {
      const text = parts.join('');
      assert.equal(isRepositoryName(text), GRAMMAR.test(text), JSON.stringify(text));
    }),
    { numRuns: 5_000 },
  );
  fc.assert(
    fc.property(fc.stringMatching(GRAMMAR), (text) => {
      assert.equal(isRepositoryName(text), text.length <= 255);
    }),
  );
});

test('a name has at most 255 bytes', () => {
  assert.ok(isRepositoryName('a'.repeat(255)));
  assert.ok(isRepositoryName(`a${'/a'.repeat(127)}`));
  assert.ok(!isRepositoryName('a'.repeat(256)));
  assert.ok(!isRepositoryName(`a${'/a'.repeat(128)}`));
});

test('a refusal says what is wrong', () => {
  const refusals: readonly (readonly [string, RegExp])[] = [
    ['', /empty/],
    ['Team/app', /lower case/],
    ['a'.repeat(256), /256 characters: at most 255/],
    ['a//b', /empty component/],
    ['/a', /empty component/],
    ['a/', /empty component/],
    ['..', /component "\.\."/],
    ['a/../b', /component "\.\."/],
    ['a/b__c/d___e', /component "d___e"/],
    ['a%2Fb', /component "a%2Fb"/],
    ['a..b', /component "a\.\.b"/],
    ['-a', /component "-a"/],
    ['a\u0000', /component "a\\u0000"/],
    ['ａ', /component/],
  ];
  for (const [text, message] of refusals) {
    assert.throws(
      () => parseRepositoryName(text),
      (error) => error instanceof NameInvalidError && message.test(error.message),
      text,
    );
  }
});

test('hostile input takes linear time', () => {
  for (const text of [
    'a'.repeat(254),
    'a-'.repeat(127),
    `${'-'.repeat(254)}`,
    '_'.repeat(254),
    'a__'.repeat(84),
  ]) {
    assert.equal(isRepositoryName(`${text}!`), false);
  }
  assert.equal(isRepositoryName('a-'.repeat(5_000_000)), false);
});
