import assert from 'node:assert/strict';
import { test } from 'node:test';
import { corsHeaders, isPreflight, preflightHeaders } from '../../../server/http/cors.ts';

const ALLOWED = ['https://ui.example', 'http://localhost:3000'];

test('an allowed origin is granted, another is not, and caches are told that it matters', () => {
  for (const headers of [corsHeaders, preflightHeaders]) {
    for (const origin of ALLOWED) {
      assert.equal(headers(origin, ALLOWED)['Access-Control-Allow-Origin'], origin);
    }
    for (const origin of ['https://evil.example', 'https://ui.example.evil', 'null', '', undefined]) {
      assert.deepEqual(headers(origin, ALLOWED), { Vary: 'Origin' });
    }
    assert.equal(headers('https://any.example', ['*'])['Access-Control-Allow-Origin'], '*');
  }
});

test('a page may set the headers that web pages of registries set', () => {
  const allowed = preflightHeaders('https://ui.example', ALLOWED)['Access-Control-Allow-Headers'] ?? '';
  const known = allowed.toLowerCase().split(', ');
  for (const name of ['authorization', 'accept', 'cache-control', 'if-none-match', 'range', 'content-type']) {
    assert.ok(known.includes(name), name);
  }
});

test('a preflight is an OPTIONS with an origin and the method to come', () => {
  const asked = { origin: 'https://ui.example', 'access-control-request-method': 'PUT' };
  assert.equal(isPreflight('OPTIONS', asked), true);
  assert.equal(isPreflight('PUT', asked), false);
  assert.equal(isPreflight('OPTIONS', { origin: asked.origin }), false);
  assert.equal(isPreflight('OPTIONS', { 'access-control-request-method': 'PUT' }), false);
});
