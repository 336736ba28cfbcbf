import assert from 'node:assert/strict';
import { test } from 'node:test';
import { html, wholePage } from '../../../server/login/html.ts';
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

test('whatever stands in a page is text', () => {
  const nasty = `<script>"'&`;
  const { html: made } = html`<p title="${nasty}">${nasty}</p>${[html`<b>${'1'}</b>`, html`<b>2</b>`]}`;
  const escaped = '&#60;script&#62;&#34;&#39;&#38;';
  assert.equal(made, `<p title="${escaped}">${escaped}</p><b>1</b><b>2</b>`);
  assert.doesNotMatch(wholePage(nasty, html``), /<script>/);
});
