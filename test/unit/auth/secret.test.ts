import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashSecret, makeId, makeSecret, secretKind } from '../../../auth/credentials/secret.ts';

test('secrets have a form that scanners know, and tell their kind', () => {
  for (const kind of ['pat', 'bot', 'ref'] as const) {
    const secret = makeSecret(kind);
    assert.match(secret, new RegExp(`^berth_${kind}_[0-9A-Za-z]{36}$`));
    assert.equal(secretKind(secret), kind);
    assert.notEqual(makeSecret(kind), secret);
  }
});

test('a secret with another character is none', () => {
  const secret = makeSecret('pat');
  for (let position = 0; position < secret.length; position += 1) {
    const other = secret[position] === 'x' ? 'y' : 'x';
    assert.equal(secretKind(secret.slice(0, position) + other + secret.slice(position + 1)), undefined);
  }
  for (const text of [
    '',
    secret.slice(1),
    `${secret}x`,
    secret.replace('pat', 'bot'),
    secret.toUpperCase(),
  ]) {
    assert.equal(secretKind(text), undefined);
  }
});

test('what is kept is a SHA-256 of 64 digits', () => {
  assert.equal(hashSecret('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

test('ids are short and differ', () => {
  const ids = new Set(Array.from({ length: 1000 }, makeId));
  assert.equal(ids.size, 1000);
  for (const id of ids) assert.match(id, /^[0-9A-Za-z]{10}$/);
});
