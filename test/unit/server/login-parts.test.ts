import assert from 'node:assert/strict';
import { test } from 'node:test';
import { returnPath } from '../../../server/login/own-origin.ts';

test('only paths of this server are gone back to', () => {
  for (const path of ['/auth/', '/auth/device?user_code=A-B', '/v2/', '/a%2f%2fb']) {
    assert.equal(returnPath(path, ''), path);
  }
  for (const path of [
    undefined,
    '',
    'auth/',
    '//evil.example',
    '/\\evil.example',
    '/..//evil.example',
    '/./\\evil.example',
    '/%2e%2e//evil.example',
    '\\\\evil.example',
    'https://evil.example/',
    'javascript:alert(1)',
    '/auth/\r\nSet-Cookie: a=b',
    '/a b',
    '/ä',
    `/${'x'.repeat(2000)}`,
  ]) {
    assert.equal(returnPath(path, ''), undefined, String(path));
  }
  assert.equal(returnPath('/registry/auth/', '/registry'), '/registry/auth/');
  assert.equal(returnPath('/auth/', '/registry'), undefined);
  assert.equal(returnPath('/registry/../auth/', '/registry'), undefined);
});
