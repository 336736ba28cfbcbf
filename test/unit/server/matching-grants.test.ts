import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RoleGrant } from '../../../auth/accounts/account-store.ts';
import { matchingGrants } from '../../../server/management/grants.ts';
import type { RequestContext } from '../../../server/request-context.ts';

const GRANTS = 25_000;

test('grants that do not fit are looked at in pieces, and a page looks at ten thousand', async () => {
  const grants: readonly RoleGrant[] = Array.from({ length: GRANTS }, (_, index) => ({
    holder: { kind: 'user', name: 'ada' },
    pattern: `r${String(index).padStart(5, '0')}`,
    role: 'reader',
  }));
  const roles = {
    list: async ({ limit, after }: { readonly limit: number; readonly after?: readonly string[] }) => {
      const from = after === undefined ? 0 : grants.findIndex(({ pattern }) => pattern === after[2]) + 1;
      return grants.slice(from, from + limit);
    },
  };
  const ctx = { state: { signal: new AbortController().signal } } as unknown as RequestContext;
  let looked = 0;
  let inThisTurn = 0;
  let most = 0;
  const fits = () => {
    looked += 1;
    inThisTurn += 1;
    most = Math.max(most, inThisTurn);
    return false;
  };
  let ended = false;
  const followTurns = () => {
    inThisTurn = 0;
    if (!ended) setImmediate(followTurns);
  };
  followTurns();
  const page = await matchingGrants(ctx, roles, { limit: 100 }, fits);
  ended = true;
  assert.deepEqual(page.grants, []);
  assert.notEqual(page.next, null, 'more follow');
  assert.equal(looked, 10_000);
  assert.ok(most <= 1000, `${most} grants in a turn`);
});
