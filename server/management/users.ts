import { nameOf } from '../../auth/access/identity.ts';
import { isAdmin } from '../../auth/access/rights.ts';
import type { Account, AccountStore } from '../../auth/accounts/account-store.ts';
import { unknownAccount } from '../../auth/accounts/knex-account-store.ts';
import { addAccount, changePassword, type Hashing } from '../../auth/administration/accounts.ts';
import { networkOf } from '../../auth/limits/network-of.ts';
import type { PasswordGuard } from '../../auth/passwords/password-guard.ts';
import type { PasswordHasher } from '../../auth/passwords/password-hasher.ts';
import { RegistryError } from '../errors.ts';
import { answerEmpty, answerJson } from '../http/answer.ts';
import type { RequestContext, RequestRouter } from '../request-context.ts';
import { fieldsOf, required } from './request-fields.ts';
import { isPerson, requireAdmin, requirePerson, requireSelfOrAdmin } from './require.ts';
import { nextOf, rowPageOf } from './row-page.ts';

/** Verifies passwords and makes their hashes. */
export interface ManagedPasswords {
  readonly guard: PasswordGuard;
  readonly hasher: PasswordHasher;
}

/** The people who can log in, and whoever asks. */
export function addUserRoutes(
  router: RequestRouter,
  accounts: AccountStore,
  passwords: ManagedPasswords,
): void {
  router.get('/me', (ctx) => {
    const { identity } = ctx.state;
    answerJson(ctx, 200, { kind: identity.kind, name: nameOf(identity), admin: isAdmin(identity.rights) });
  });

  router.get('/users', async (ctx) => {
    requireAdmin(ctx);
    const page = rowPageOf(ctx, 1);
    const found = await accounts.list(page);
    answerJson(ctx, 200, { users: found.map(shown), next: nextOf(found, page, ({ name }) => [name]) });
  });

  router.post('/users', async (ctx) => {
    requireAdmin(ctx);
    requirePerson(ctx);
    const fields = await fieldsOf(ctx, { name: 'string', password: 'string', admin: 'boolean' });
    const name = required('name', fields.name);
    const { admin = false, password } = fields;
    const made = await addAccount(
      accounts,
      { name, admin, ...(password !== undefined && { password }) },
      hashingFor(ctx),
    );
    answerJson(ctx, 201, { name, admin, ...(made !== undefined && { password: made }) });
  });

  router.get('/users/:name', async (ctx) => {
    const { name = '' } = ctx.params;
    requireSelfOrAdmin(ctx, name);
    const account = await accounts.find(name);
    if (account === undefined) throw unknownAccount(name);
    answerJson(ctx, 200, shown(account));
  });

  router.patch('/users/:name', async (ctx) => {
    const { name = '' } = ctx.params;
    requireSelfOrAdmin(ctx, name);
    const fields = await fieldsOf(ctx, { password: 'string', currentPassword: 'string', admin: 'boolean' });
    requirePerson(ctx);
    if (fields.admin !== undefined) requireAdmin(ctx);
    if (fields.password !== undefined) {
      await requireCurrentPassword(ctx, name, fields.currentPassword);
      await changePassword(accounts, name, fields.password, hashingFor(ctx));
    }
    if (fields.admin !== undefined) await accounts.update(name, { admin: fields.admin });
    answerEmpty(ctx, 204);
  });

  router.delete('/users/:name', async (ctx) => {
    requireAdmin(ctx);
    await accounts.remove(ctx.params.name ?? '');
    answerEmpty(ctx, 204);
  });

  /** For the client of the request, in turn with all logins. */
  function hashingFor({ state: { identity, origin, signal } }: RequestContext): Hashing {
    const keys = [networkOf(origin.remote), nameOf(identity) ?? ''] as const;
    return { hasher: passwords.hasher, turn: { place: { lane: 0, keys }, signal } };
  }

  /** Whoever changes their own password shows the one of before, which a browser that was left open does not know. */
  async function requireCurrentPassword(
    ctx: RequestContext,
    name: string,
    current: string | undefined,
  ): Promise<void> {
    if (!isPerson(ctx, name)) return;
    const hash = (await accounts.find(name))?.passwordHash;
    // Who was let in by a provider does not make themselves a way past it.
    if (hash === undefined) return requireAdmin(ctx);
    const { origin, signal } = ctx.state;
    const attempt = { user: name, password: current ?? '', remote: origin.remote, signal };
    if (current !== undefined && (await passwords.guard.check(attempt))) return;
    throw new RegistryError('DENIED', 'currentPassword is not the password of this account');
  }
}

function shown({ name, admin, createdAt, passwordHash }: Account) {
  return { name, admin, createdAt: createdAt.toISOString(), hasPassword: passwordHash !== undefined };
}
