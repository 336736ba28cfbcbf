import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Account, AccountStore } from '../../auth/accounts/account-store.ts';
import { AccountExistsError } from '../../auth/errors.ts';

/** What every AccountStore promises. `open` gives an empty one for each test. */
export function describeAccountStore(name: string, open: (t: TestContext) => Promise<AccountStore>): void {
  const account: Account = {
    name: 'ada',
    passwordHash: '$argon2id$v=19$m=8,t=1,p=1$c2FsdA$dGFn',
    admin: true,
    createdAt: new Date('2026-01-02T03:04:05.678Z'),
  };

  test(`${name}: an account is found as it was created`, async (t) => {
    const store = await open(t);
    await store.create(account);
    await store.create({ ...account, name: 'bob', admin: false });
    assert.deepEqual(await store.find('ada'), account);
    assert.equal((await store.find('bob'))?.admin, false);
  });

  test(`${name}: absent is undefined, and names are exact`, async (t) => {
    const store = await open(t);
    await store.create(account);
    for (const other of ['', 'Ada', 'ada ', 'ad%', "' or 1=1 --"]) {
      assert.equal(await store.find(other), undefined, other);
    }
  });

  test(`${name}: a name is taken once, also when two come at the same time`, async (t) => {
    const store = await open(t);
    const outcomes = await Promise.allSettled([
      store.create(account),
      store.create({ ...account, passwordHash: '$argon2id$v=19$m=8,t=1,p=1$c2FsdA$b3RoZXI', admin: false }),
    ]);
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    assert.equal(refused.length, 1);
    assert.ok(refused[0]?.reason instanceof AccountExistsError);
    await assert.rejects(store.create(account), AccountExistsError);
    assert.ok(await store.find('ada'));
  });
}
