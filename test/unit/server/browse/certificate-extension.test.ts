import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extensionOf, textIn } from '../../../../server/browse/certificate-extension.ts';
import { SIGNING_CERTIFICATE } from '../../../support/signing-certificate.ts';

const CERTIFICATE = Buffer.from(SIGNING_CERTIFICATE, 'base64');
const NEW = Buffer.from('2b0601040183bf300108', 'hex');
const OLD = Buffer.from('2b0601040183bf300101', 'hex');

test('an extension is found by its identifier', () => {
  const found = extensionOf(CERTIFICATE, NEW);
  assert.equal(found && textIn(found), 'https://token.actions.githubusercontent.com');
  assert.equal(extensionOf(CERTIFICATE, OLD)?.toString(), 'https://a.b');
  assert.equal(extensionOf(CERTIFICATE, Buffer.from('2b06', 'hex')), undefined);
});

test('bytes that are no certificate have none', () => {
  for (let length = 0; length < CERTIFICATE.length; length += 1) {
    assert.equal(extensionOf(CERTIFICATE.subarray(0, length), NEW), undefined);
  }
  for (const hex of ['30', '3080', '30830100003000', '30ff', '308200ff', '04020000']) {
    assert.equal(extensionOf(Buffer.from(hex, 'hex'), NEW), undefined, hex);
  }
  assert.equal(textIn(Buffer.alloc(0)), undefined);
});
