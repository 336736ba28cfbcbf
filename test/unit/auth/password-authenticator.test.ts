import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ALL_RIGHTS } from '../../../auth/access/rights.ts';
import { Directory } from '../../../auth/accounts/directory.ts';
import type { AuthStore } from '../../../auth/auth-store.ts';
import { HeaderAuthenticator } from '../../../auth/authenticators/header-authenticator.ts';
import { parseBasicCredentials } from '../../../auth/authenticators/login-method.ts';
import { PasswordLogin } from '../../../auth/authenticators/password-login.ts';
import { CredentialsInvalidError } from '../../../auth/errors.ts';
import { PasswordGuard } from '../../../auth/passwords/password-guard.ts';
import { PasswordHasher } from '../../../auth/passwords/password-hasher.ts';
import { openTestAuthStore } from '../../support/auth-store.ts';
import { hashPassword } from '../../support/hash-password.ts';

const context = { remote: undefined, signal: new AbortController().signal };
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

function authenticatorOver(store: AuthStore): HeaderAuthenticator {
  const directory = new Directory(store);
  const hashOf = async (user: string) => (await store.accounts.find(user))?.passwordHash;
  const guard = new PasswordGuard({ hasher: new PasswordHasher(1), hashOf });
  return new HeaderAuthenticator({ directory, methods: new PasswordLogin(directory, guard) });
}

async function storeWith(t: TestContext, name: string, password: string): Promise<AuthStore> {
  const store = await openTestAuthStore(t);
  const passwordHash = await hashPassword(password);
  await store.accounts.create({ name, passwordHash, admin: true, createdAt: new Date() });
  return store;
}

test('who gives no credentials is anonymous; who gives the right ones is known', async (t) => {
  const authenticator = authenticatorOver(await storeWith(t, 'ada', 'pass:wörd'));
  assert.deepEqual(await authenticator.authenticate(undefined, context), {
    kind: 'anonymous',
    rights: { admin: false, grants: [], lists: false },
  });
  const ada = { kind: 'user', name: 'ada', rights: ALL_RIGHTS, proof: { kind: 'password' } };
  assert.deepEqual(await authenticator.authenticate(basic('ada:pass:wörd'), context), ada);
  assert.deepEqual(await authenticator.authenticate(basic('ada:pass:wörd'), context), ada);
});

test('what is wrong is refused with the same words for user and password, also after a right login', async (t) => {
  const authenticator = authenticatorOver(await storeWith(t, 'ada', 'password'));
  await authenticator.authenticate(basic('ada:password'), context);
  const messages = new Set<string>();
  for (const text of ['ada:Password', 'ada:', 'bob:password', ':password', 'ADA:password']) {
    await assert.rejects(authenticator.authenticate(basic(text), context), (error: Error) => {
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
  test(`"${header}" is refused`, async (t) => {
    const authenticator = authenticatorOver(await openTestAuthStore(t));
    await assert.rejects(authenticator.authenticate(header, context), CredentialsInvalidError);
  });
}

test('a password that was changed no longer works, although it was verified before', async (t) => {
  const store = await storeWith(t, 'ada', 'old password');
  await store.accounts.create({ name: 'bob', passwordHash: undefined, admin: true, createdAt: new Date() });
  const authenticator = authenticatorOver(store);
  const logIn = (text: string) => authenticator.authenticate(basic(text), context);
  await logIn('ada:old password');
  await store.accounts.update('ada', { passwordHash: await hashPassword('new password') });
  await assert.rejects(logIn('ada:old password'), CredentialsInvalidError);
  await logIn('ada:new password');
  await store.accounts.remove('ada');
  await assert.rejects(logIn('ada:new password'), CredentialsInvalidError);
  await assert.rejects(logIn('bob:'), CredentialsInvalidError);
});

test('whoever gives up while waiting does no work, and holds up nobody', async (t) => {
  const authenticator = authenticatorOver(await storeWith(t, 'ada', 'password'));
  const gone = AbortSignal.abort(new Error('gone'));
  const many = Array.from({ length: 8 }, () =>
    authenticator.authenticate(basic('ada:wrong'), { ...context, signal: gone }),
  );
  for (const outcome of await Promise.allSettled(many)) {
    assert.equal(outcome.status, 'rejected');
    assert.equal(outcome.status === 'rejected' && outcome.reason.message, 'gone');
  }
  assert.equal((await authenticator.authenticate(basic('ada:password'), context)).kind, 'user');
});

test('a store that fails is no wrong password', async (t) => {
  const store = await openTestAuthStore(t);
  const accounts = { ...store.accounts, find: () => Promise.reject(new Error('disk')) };
  const authenticator = authenticatorOver({ ...store, accounts });
  await assert.rejects(authenticator.authenticate(basic('a:b'), context), /disk/);
});

test('Basic credentials are read as RFC 7617 has them', () => {
  assert.deepEqual(parseBasicCredentials('basic YWRhOnB3'), { user: 'ada', password: 'pw' });
  assert.deepEqual(parseBasicCredentials('Basic   YWRhOg=='), { user: 'ada', password: '' });
});
