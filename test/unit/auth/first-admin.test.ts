import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ensureAdmin } from '../../../auth/accounts/first-admin.ts';
import { PasswordRefusedError } from '../../../auth/errors.ts';
import { PasswordHasher } from '../../../auth/passwords/password-hasher.ts';
import { openTestAuthStore } from '../../support/auth-store.ts';

const hasher = new PasswordHasher(1);

test('without a chosen password one is made, told once, and is right', async (t) => {
  const { accounts } = await openTestAuthStore(t);
  const first = await ensureAdmin(accounts, hasher);
  assert.ok(first.kind === 'made-with-password');
  const account = await accounts.find('admin');
  assert.equal(account?.admin, true);
  assert.equal(await hasher.verify(first.password, account?.passwordHash ?? ''), true);
  assert.deepEqual(await ensureAdmin(accounts, hasher), { kind: 'present' });
});

test('a chosen password counts at the first start only', async (t) => {
  const { accounts } = await openTestAuthStore(t);
  assert.deepEqual(await ensureAdmin(accounts, hasher, 'chosen first'), { kind: 'made', name: 'admin' });
  assert.deepEqual(await ensureAdmin(accounts, hasher, 'chosen later'), { kind: 'present' });
  const hash = (await accounts.find('admin'))?.passwordHash ?? '';
  assert.equal(await hasher.verify('chosen first', hash), true);
  assert.equal(await hasher.verify('chosen later', hash), false);
});

test('a bad choice is refused and makes no account', async (t) => {
  const { accounts } = await openTestAuthStore(t);
  await assert.rejects(ensureAdmin(accounts, hasher, ''), PasswordRefusedError);
  await assert.rejects(
    ensureAdmin(accounts, hasher, 'short'),
    (error: Error) => !error.message.includes('"short"'),
  );
  assert.deepEqual(await accounts.list(), []);
});

test('two servers that start at the same time make one administrator', async (t) => {
  const { accounts } = await openTestAuthStore(t);
  const outcomes = await Promise.all([ensureAdmin(accounts, hasher), ensureAdmin(accounts, hasher)]);
  assert.deepEqual(outcomes.map(({ kind }) => kind).sort(), ['made-with-password', 'present']);
});
