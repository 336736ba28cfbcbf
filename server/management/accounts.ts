import { nameOf } from '../../auth/access/identity.ts';
import { isAdmin } from '../../auth/access/rights.ts';
import type { Account, AccountStore, TeamStore } from '../../auth/accounts/account-store.ts';
import { unknownAccount } from '../../auth/accounts/knex-account-store.ts';
import { unknownTeam } from '../../auth/accounts/knex-team-store.ts';
import { parseTeamName } from '../../auth/accounts/names.ts';
import { addAccount, changePassword, type Hashing } from '../../auth/administration/accounts.ts';
import { type LinkedIdentity, linkIdentity, unlinkIdentity } from '../../auth/administration/identities.ts';
import type { AuthStore } from '../../auth/auth-store.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import { networkOf } from '../../auth/limits/network-of.ts';
import type { PasswordGuard } from '../../auth/passwords/password-guard.ts';
import type { PasswordHasher } from '../../auth/passwords/password-hasher.ts';
import { parseProvider } from '../../auth/providers/parse-provider.ts';
import type { Provider, ProviderStore } from '../../auth/providers/provider.ts';
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

/** Routes of the people who can log in, and of the caller's own account (`/me`). */
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
    answerJson(ctx, 200, { users: found.map(shownAccount), next: nextOf(found, page, ({ name }) => [name]) });
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
    answerJson(ctx, 200, shownAccount(account));
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

  /** Their own password is changed only with the current one, which someone at an unattended browser does not know. */
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

function shownAccount({ name, admin, createdAt, passwordHash }: Account) {
  return { name, admin, createdAt: createdAt.toISOString(), hasPassword: passwordHash !== undefined };
}

/** Who at identity providers logs in to an account. Only administrators say so: it is the account that they give away. */
export function addIdentityRoutes(router: RequestRouter, store: AuthStore): void {
  router.get('/users/:name/identities', async (ctx) => {
    const { name = '' } = ctx.params;
    requireSelfOrAdmin(ctx, name);
    const identities = await store.linkedAccounts.of(name);
    answerJson(ctx, 200, { identities: identities.map(shownIdentity) });
  });

  router.post('/users/:name/identities', async (ctx) => {
    requireAdmin(ctx);
    requirePerson(ctx);
    const fields = await fieldsOf(ctx, { provider: 'string', subject: 'string' });
    const [provider, subject] = [required('provider', fields.provider), required('subject', fields.subject)];
    answerJson(
      ctx,
      201,
      shownIdentity(await linkIdentity(store, ctx.params.name ?? '', { provider, subject })),
    );
  });

  router.delete('/users/:name/identities/:provider', async (ctx) => {
    requireAdmin(ctx);
    await unlinkIdentity(store, ctx.params.name ?? '', ctx.params.provider ?? '');
    answerEmpty(ctx, 204);
  });
}

function shownIdentity({ issuer, subject }: LinkedIdentity) {
  return { issuer, subject };
}

/** Teams: people who have roles together. For administrators. */
export function addTeamRoutes(router: RequestRouter, teams: TeamStore): void {
  router.get('/teams', async (ctx) => {
    requireAdmin(ctx);
    const page = rowPageOf(ctx, 1);
    const found = await teams.list(page);
    answerJson(ctx, 200, { teams: found, next: nextOf(found, page, ({ name }) => [name]) });
  });

  router.post('/teams', async (ctx) => {
    requireAdmin(ctx);
    const fields = await fieldsOf(ctx, { name: 'string' });
    const name = parseTeamName(required('name', fields.name));
    await teams.create(name);
    answerJson(ctx, 201, { name, members: [] });
  });

  router.get('/teams/:team', async (ctx) => {
    requireAdmin(ctx);
    const { team: name = '' } = ctx.params;
    const team = await teams.find(name);
    if (team === undefined) throw unknownTeam(name);
    answerJson(ctx, 200, team);
  });

  router.delete('/teams/:team', async (ctx) => {
    requireAdmin(ctx);
    await teams.remove(ctx.params.team ?? '');
    answerEmpty(ctx, 204);
  });

  router.put('/teams/:team/members/:name', async (ctx) => {
    requireAdmin(ctx);
    const { team = '', name = '' } = ctx.params;
    await teams.join(team, name);
    answerEmpty(ctx, 204);
  });

  router.delete('/teams/:team/members/:name', async (ctx) => {
    requireAdmin(ctx);
    const { team = '', name = '' } = ctx.params;
    if (!(await teams.leave(team, name))) {
      throw new EntryUnknownError(`"${name}" is not in the team "${team}"`);
    }
    answerEmpty(ctx, 204);
  });
}

/** OpenID Connect providers whose people may log in. For administrators; the secret is never shown. */
export function addProviderRoutes(router: RequestRouter, providers: ProviderStore): void {
  router.get('/providers', async (ctx) => {
    requireAdmin(ctx);
    answerJson(ctx, 200, { providers: (await providers.list()).map(shownProvider) });
  });

  router.post('/providers', async (ctx) => {
    requireAdmin(ctx);
    requirePerson(ctx);
    const fields = await fieldsOf(ctx, {
      name: 'string',
      issuer: 'string',
      clientId: 'string',
      clientSecret: 'string',
      nameClaim: 'string',
      groupsClaim: 'string',
      groups: 'texts',
    });
    const text = (name: 'name' | 'issuer' | 'clientId' | 'clientSecret') => required(name, fields[name]);
    const provider = parseProvider({
      ...fields,
      name: text('name'),
      issuer: text('issuer'),
      clientId: text('clientId'),
      clientSecret: text('clientSecret'),
    });
    await providers.create(provider);
    answerJson(ctx, 201, shownProvider(provider));
  });

  router.delete('/providers/:name', async (ctx) => {
    requireAdmin(ctx);
    const name = String(ctx.params.name);
    if (!(await providers.remove(name))) throw new EntryUnknownError(`there is no provider named "${name}"`);
    answerEmpty(ctx, 204);
  });
}

function shownProvider({ name, issuer, clientId, nameClaim, groupsClaim, groups }: Provider) {
  return { name, issuer, clientId, nameClaim, groupsClaim, groups };
}
