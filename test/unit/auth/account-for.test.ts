import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accountFor } from '../../../auth/providers/account-for.ts';
import type { Provider } from '../../../auth/providers/provider.ts';
import { openTestAuthStore } from '../../support/auth-store.ts';

const PROVIDER: Provider = {
  name: 'work',
  issuer: 'https://id.example',
  clientId: 'berth',
  clientSecret: 'a secret',
  nameClaim: 'email',
  groupsClaim: 'groups',
  groups: {},
};

test('an address names an account only when the provider says that it has verified it', async (t) => {
  const store = await openTestAuthStore(t);
  const claims = { iss: PROVIDER.issuer, sub: '1', email: 'ada@example.org' };
  for (const email_verified of [undefined, false, 'false', null, 0, 1, 'yes', [true], {}]) {
    await assert.rejects(accountFor(store, PROVIDER, { ...claims, email_verified }), {
      code: 'LOGIN_REFUSED',
      message: /email_verified/,
    });
  }
  await assert.rejects(accountFor(store, PROVIDER, claims), { code: 'LOGIN_REFUSED' });
  assert.equal(await accountFor(store, PROVIDER, { ...claims, email_verified: true }), 'ada@example.org');
  // As text, as some providers send it.
  const bob = { ...claims, sub: '2', email: 'bob@example.org', email_verified: 'true' };
  assert.equal(await accountFor(store, PROVIDER, bob), 'bob@example.org');
});
