import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PasswordRefusedError } from '../../../auth/errors.ts';
import { VerifiedPasswords } from '../../../auth/passwords/attempt-memory.ts';
import { checkPassword, makePassword } from '../../../auth/passwords/password.ts';
import { PasswordHasher } from '../../../auth/passwords/password-hasher.ts';

const hasher = new PasswordHasher(1);

test('a hash tells the right password from others, and is salted', async () => {
  const hash = await hasher.hash('correct horse');
  assert.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[^$=]{22}\$[^$=]{43}$/);
  assert.equal(await hasher.verify('correct horse', hash), true);
  assert.equal(await hasher.verify('correct horse ', hash), false);
  assert.equal(await hasher.verify('', hash), false);
  assert.notEqual(await hasher.hash('correct horse'), hash);
});

test('a hash of another cost is still verified', async () => {
  // RFC 9106's function with the parameters that the string states, computed by the reference program argon2(1):
  // echo -n password | argon2 somesalt -id -t 2 -m 8 -p 1 -e
  const hash = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4';
  assert.equal(await hasher.verify('password', hash), true);
  assert.equal(await hasher.verify('Password', hash), false);
});

test('what is no hash is an error and not a wrong password', async () => {
  await assert.rejects(hasher.verify('x', '$2y$10$abcdefghijklmnopqrstuv'));
});

test('passwords that may not be chosen', () => {
  for (const password of ['', '1234567', 'x'.repeat(1025)]) {
    assert.throws(() => checkPassword(password, 'it'), PasswordRefusedError);
  }
  checkPassword('12345678', 'it');
});

test('made passwords are long, plain and never the same', () => {
  const made = new Set(Array.from({ length: 50 }, makePassword));
  assert.equal(made.size, 50);
  for (const password of made) assert.match(password, /^[2-9a-km-zA-HJ-NP-Z]{24}$/);
});

test('verified passwords: only the right one, only for the same hash, and not for ever more users', () => {
  const verified = new VerifiedPasswords(2);
  verified.add('ada', 'secret', 'hash-1');
  assert.equal(verified.has('ada', 'secret', 'hash-1'), true);
  assert.equal(verified.has('ada', 'Secret', 'hash-1'), false);
  assert.equal(verified.has('ada', 'secret', 'hash-2'), false);
  assert.equal(verified.has('bob', 'secret', 'hash-1'), false);
  verified.add('bob', 'b', 'hash-b');
  assert.equal(verified.has('ada', 'secret', 'hash-1'), true);
  verified.add('eve', 'e', 'hash-e');
  assert.equal(verified.has('bob', 'b', 'hash-b'), false);
  assert.equal(verified.has('ada', 'secret', 'hash-1'), true);
});
