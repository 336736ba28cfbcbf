import { nameOf } from '../../auth/access/access.ts';
import { isAdmin } from '../../auth/access/rights.ts';
import type { Account, AccountStore } from '../../auth/accounts/account-store.ts';
import { unknownAccount } from '../../auth/accounts/knex-account-store.ts';
import { addAccount, changePassword, type Hashing } from '../../auth/administration/accounts.ts';
import { type LinkedIdentity, linkIdentity, unlinkIdentity } from '../../auth/administration/identities.ts';
import type { AuthStore } from '../../auth/auth-store.ts';
import type { PasswordGuard } from '../../auth/passwords/password-guard.ts';
import type { PasswordHasher } from '../../auth/passwords/password-hasher.ts';
import { networkOf } from '../../lib/http/addresses.ts';
import {
  ADMINS,
  ADMINS_IN_PERSON,
  EVERYBODY,
  isPerson,
  requireAdmin,
  SELF_OR_ADMINS,
  SELF_OR_ADMINS_IN_PERSON,
} from '../api/access.ts';
import { nextOf, PAGE, pageOf, rowPageOf } from '../api/page.ts';
import { type Route, route } from '../api/route.ts';
import { boolean, list, object, optional, text, timestamp } from '../api/schema.ts';
import { RegistryError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';

/** Verifies passwords and makes their hashes. */
export interface ManagedPasswords {
  readonly guard: PasswordGuard;
  readonly hasher: PasswordHasher;
}

const ME = object(
  { kind: text({ enum: ['user', 'robot'] }), name: text(), admin: boolean() },
  { title: 'Me' },
);

const USER = object(
  { name: text(), admin: boolean(), createdAt: timestamp(), hasPassword: boolean() },
  { title: 'User' },
);

const PASSWORD = text({ minLength: 8, writeOnly: true });

const NEW_USER = object(
  { name: text(), password: optional(PASSWORD), admin: optional(boolean()) },
  { title: 'NewUser' },
);

const MADE_USER = object(
  {
    name: text(),
    admin: boolean(),
    password: optional(
      text({ description: 'The generated password, unless the request had one; shown only once' }),
    ),
  },
  { title: 'MadeUser' },
);

const USER_CHANGE = object(
  {
    password: optional(PASSWORD),
    currentPassword: optional(text({ writeOnly: true, description: "For one's own password" })),
    admin: optional(boolean()),
  },
  { title: 'UserChange' },
);

const OF_ACCOUNT = { name: 'Of the account' } as const;
const NO_ACCOUNT = 'There is no account of this name';

/** People who can log in, and the caller's own account (`/me`). */
export function userRoutes(accounts: AccountStore, passwords: ManagedPasswords): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/me',
      id: 'me',
      summary: 'Who asks',
      access: EVERYBODY,
      area: 'any',
      answer: ME,
      handle({ ctx: { state } }) {
        const { kind, rights } = state.identity;
        return { kind, name: nameOf(state.identity) ?? '', admin: isAdmin(rights) };
      },
    }),
    route({
      method: 'GET',
      path: '/users',
      id: 'listUsers',
      summary: 'All people',
      access: ADMINS,
      area: 'accounts',
      query: PAGE,
      answer: pageOf('users', USER),
      async handle({ query }) {
        const page = rowPageOf(query, 1);
        const found = await accounts.list(page);
        return { users: found.map(shownAccount), next: nextOf(found, page, ({ name }) => [name]) };
      },
    }),
    route({
      method: 'POST',
      path: '/users',
      id: 'addUser',
      summary: 'Make an account',
      access: ADMINS_IN_PERSON,
      area: 'accounts',
      body: NEW_USER,
      status: 201,
      answer: MADE_USER,
      errors: { 409: 'There is an account of this name already' },
      async handle({ ctx, body: { name, admin = false, password } }) {
        const account = { name, admin, ...(password !== undefined && { password }) };
        const made = await addAccount(accounts, account, hashingFor(ctx, passwords));
        return { name, admin, ...(made !== undefined && { password: made }) };
      },
    }),
    route({
      method: 'GET',
      path: '/users/{name}',
      id: 'findUser',
      summary: 'One person',
      access: SELF_OR_ADMINS,
      area: 'accounts',
      params: OF_ACCOUNT,
      answer: USER,
      errors: { 404: NO_ACCOUNT },
      async handle({ params: { name } }) {
        const account = await accounts.find(name);
        if (account === undefined) throw unknownAccount(name);
        return shownAccount(account);
      },
    }),
    route({
      method: 'PATCH',
      path: '/users/{name}',
      id: 'changeUser',
      summary: 'Change the password or make an administrator',
      description:
        "A changed password ends the logins of the account. To change one's own password, send the current one; admin is for administrators.",
      access: SELF_OR_ADMINS_IN_PERSON,
      area: 'accounts',
      params: OF_ACCOUNT,
      body: USER_CHANGE,
      errors: { 404: NO_ACCOUNT },
      async handle({ ctx, params: { name }, body: { admin, currentPassword, password } }) {
        if (admin !== undefined) requireAdmin(ctx);
        if (password !== undefined) {
          await requireCurrentPassword(ctx, name, currentPassword);
          await changePassword(accounts, name, password, hashingFor(ctx, passwords));
        }
        if (admin !== undefined) await accounts.update(name, { admin });
      },
    }),
    route({
      method: 'DELETE',
      path: '/users/{name}',
      id: 'removeUser',
      summary: 'Remove an account with its roles, tokens, robots and logins',
      access: ADMINS,
      area: 'accounts',
      params: OF_ACCOUNT,
      errors: { 400: 'This is the last administrator', 404: NO_ACCOUNT },
      handle: ({ params: { name } }) => accounts.remove(name),
    }),
  ];

  /** Checks the current password: someone at an unattended browser, who does not know it, must not change it. */
  async function requireCurrentPassword(
    ctx: RequestContext,
    name: string,
    current: string | undefined,
  ): Promise<void> {
    if (!isPerson(ctx, name)) return;
    const hash = (await accounts.find(name))?.passwordHash;
    // A person who logs in at a provider must not bypass that with a password.
    if (hash === undefined) return requireAdmin(ctx);
    const { origin, signal } = ctx.state;
    const attempt = { user: name, password: current ?? '', remote: origin.remote, signal };
    if (current !== undefined && (await passwords.guard.check(attempt))) return;
    throw new RegistryError('DENIED', 'currentPassword is not the password of this account');
  }
}

/** Returns the hashing for the client of the request, in turn with all logins. */
function hashingFor(
  { state: { identity, origin, signal } }: RequestContext,
  { hasher }: ManagedPasswords,
): Hashing {
  const keys = [networkOf(origin.remote), nameOf(identity) ?? ''] as const;
  return { hasher, turn: { place: { lane: 0, keys }, signal } };
}

function shownAccount({ name, admin, createdAt, passwordHash }: Account) {
  return { name, admin, createdAt: createdAt.toISOString(), hasPassword: passwordHash !== undefined };
}

const IDENTITY = object(
  { issuer: text(), subject: text({ description: 'The name of the person at the issuer, in "sub"' }) },
  { title: 'Identity' },
);

const NEW_IDENTITY = object({ provider: text(), subject: text() }, { title: 'NewIdentity' });

/** Links of accounts to people at identity providers. Only administrators may link: a link gives the account away. */
export function identityRoutes(store: AuthStore): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/users/{name}/identities',
      id: 'listIdentities',
      summary: 'The people at identity providers who log in to the account',
      access: SELF_OR_ADMINS,
      area: 'accounts',
      params: OF_ACCOUNT,
      answer: object({ identities: list(IDENTITY) }, { title: 'Identities' }),
      handle: async ({ params: { name } }) => ({
        identities: (await store.linkedAccounts.of(name)).map(shownIdentity),
      }),
    }),
    route({
      method: 'POST',
      path: '/users/{name}/identities',
      id: 'linkIdentity',
      summary: 'Link the account to a person at a provider',
      description:
        'The person with that subject at the provider logs in to it from now on; its password stays.',
      access: ADMINS_IN_PERSON,
      area: 'accounts',
      params: OF_ACCOUNT,
      body: NEW_IDENTITY,
      status: 201,
      answer: IDENTITY,
      errors: {
        404: 'There is no such account or provider',
        409: 'The person at the provider already has an account',
      },
      handle: async ({ params: { name }, body }) => shownIdentity(await linkIdentity(store, name, body)),
    }),
    route({
      method: 'DELETE',
      path: '/users/{name}/identities/{provider}',
      id: 'unlinkIdentity',
      summary: 'Unlink the account from a provider',
      access: ADMINS,
      area: 'accounts',
      params: { ...OF_ACCOUNT, provider: 'Name of the provider' },
      errors: { 404: 'The account is not linked to this provider' },
      handle: ({ params: { name, provider } }) => unlinkIdentity(store, name, provider),
    }),
  ];
}

function shownIdentity({ issuer, subject }: LinkedIdentity) {
  return { issuer, subject };
}
