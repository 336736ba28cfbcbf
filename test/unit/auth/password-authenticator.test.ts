import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountStore } from '../../../auth/accounts/account-store.ts';
import { hashPassword } from '../../../auth/accounts/password-hash.ts';
import { parseBasicCredentials } from '../../../auth/authenticators/basic-credentials.ts';
import { PasswordAuthenticator } from '../../../auth/authenticators/password-authenticator.ts';
import { CredentialsInvalidError } from '../../../auth/errors.ts';
import { MemoryAccountStore } from './memory-account-store.ts';

const { signal } = new AbortController();
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

async function accountsWith(name: string, password: string): Promise<MemoryAccountStore> {
  const accounts = new MemoryAccountStore();
  const passwordHash = await hashPassword(password);
  await accounts.create({ name, passwordHash, admin: true, createdAt: new Date() });
  return accounts;
}

test('who gives no credentials is anonymous; who gives the right ones is known', async () => {
  const authenticator = new PasswordAuthenticator(await accountsWith('ada', 'pass:wörd'));
  assert.deepEqual(await authenticator.authenticate(undefined, signal), { kind: 'anonymous' });
  const ada = { kind: 'user', name: 'ada', admin: true };
  assert.deepEqual(await authenticator.authenticate(basic('ada:pass:wörd'), signal), ada);
  assert.deepEqual(await authenticator.authenticate(basic('ada:pass:wörd'), signal), ada);
});

test('what is wrong is refused with the same words for user and password, also after a right login', async () => {
  const authenticator = new PasswordAuthenticator(await accountsWith('ada', 'password'));
  await authenticator.authenticate(basic('ada:password'), signal);
  const messages = new Set<string>();
  for (const text of ['ada:Password', 'ada:', 'bob:password', ':password', 'ADA:password']) {
    await assert.rejects(authenticator.authenticate(basic(text), signal), (error: Error) => {
      messages.add(error.message);
      return error instanceof CredentialsInvalidError;
    });
  }
  assert.equal(messages.size, 1);
});

for (const header of [
  '',
  'Basic',
  'Basic ',
  'Basic !!!!',
  'Bearer abc',
  basic('no-colon'),
  'Basic YQ==, Basic YQ==',
]) {
  test(`"${header}" is refused`, async () => {
    const authenticator = new PasswordAuthenticator(new MemoryAccountStore());
    await assert.rejects(authenticator.authenticate(header, signal), CredentialsInvalidError);
  });
}

test('a password that was changed no longer works, although it was verified before', async () => {
  const accounts = await accountsWith('ada', 'old password');
  const authenticator = new PasswordAuthenticator(accounts);
  await authenticator.authenticate(basic('ada:old password'), signal);
  const account = await accounts.find('ada');
  assert.ok(account);
  accounts.accounts.set('ada', { ...account, passwordHash: await hashPassword('new password') });
  await assert.rejects(
    authenticator.authenticate(basic('ada:old password'), signal),
    CredentialsInvalidError,
  );
  await authenticator.authenticate(basic('ada:new password'), signal);
  accounts.accounts.delete('ada');
  await assert.rejects(
    authenticator.authenticate(basic('ada:new password'), signal),
    CredentialsInvalidError,
  );
});

test('whoever gives up while waiting does no work, and holds up nobody', async () => {
  const authenticator = new PasswordAuthenticator(await accountsWith('ada', 'password'));
  const gone = AbortSignal.abort(new Error('gone'));
  const many = Array.from({ length: 8 }, () => authenticator.authenticate(basic('ada:wrong'), gone));
  for (const outcome of await Promise.allSettled(many)) {
    assert.equal(outcome.status, 'rejected');
    assert.equal(outcome.status === 'rejected' && outcome.reason.message, 'gone');
  }
  assert.equal((await authenticator.authenticate(basic('ada:password'), signal)).kind, 'user');
});

test('a store that fails is no wrong password', async () => {
  const broken: AccountStore = {
    find: () => Promise.reject(new Error('disk')),
    create: () => Promise.reject(new Error('disk')),
  };
  await assert.rejects(new PasswordAuthenticator(broken).authenticate(basic('a:b'), signal), /disk/);
});

test('Basic credentials are read as RFC 7617 has them', () => {
  assert.deepEqual(parseBasicCredentials('basic YWRhOnB3'), { user: 'ada', password: 'pw' });
  assert.deepEqual(parseBasicCredentials('Basic   YWRhOg=='), { user: 'ada', password: '' });
});
