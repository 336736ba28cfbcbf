import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMediaType } from '../../../oci/media-types.ts';

test('media types with and without parameters', () => {
  for (const text of [
    'text/plain',
    'application/vnd.oci.image.layer.v1.tar+gzip',
    'text/plain; charset=utf-8',
    'text/plain;charset=utf-8',
    'text/plain \t;\t charset=utf-8 ; version=0.2',
    'application/vnd.cncf.model.weight.v1.raw;version=0.2',
    'multipart/mixed; boundary="a;b\\"c"',
    'text/plain;',
  ]) {
    assert.equal(isMediaType(text), true, text);
  }
});

test('no media types', () => {
  for (const text of [
    '',
    'text',
    'text/',
    '/plain',
    'text/plain/x',
    'text/pl ain',
    ' text/plain',
    'text/plain; charset',
    'text/plain; =utf-8',
    'text/plain; charset=',
    'text/plain; char set=utf-8',
    'text/plain; charset=utf-8 x',
    'text/plain; charset="utf-8',
    'text/plain; charset="a\nb"',
    'text/plain; charset="a"b"',
    'text/plain\r\nX: y',
    '.text/plain',
    `text/${'x'.repeat(128)}`,
    `text/plain; a=${'x'.repeat(1024)}`,
  ]) {
    assert.equal(isMediaType(text), false, text);
  }
});
