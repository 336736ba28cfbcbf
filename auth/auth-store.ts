import type { AccountStore, RoleStore, TeamStore } from './accounts/account-store.ts';
import { KnexAccountStore } from './accounts/knex-account-store.ts';
import { KnexRoleStore } from './accounts/knex-role-store.ts';
import { KnexTeamStore } from './accounts/knex-team-store.ts';
import type { AuthDatabase } from './auth-database.ts';
import type { CredentialStore } from './credentials/credential-store.ts';
import { KnexCredentialStore } from './credentials/knex-credential-store.ts';
import type { JobRuleStore } from './jobs/job-rule.ts';
import { KnexJobRuleStore } from './jobs/knex-job-rule-store.ts';
import { KnexLinkedAccountStore } from './providers/knex-linked-account-store.ts';
import { KnexProviderStore } from './providers/knex-provider-store.ts';
import type { LinkedAccountStore } from './providers/linked-account-store.ts';
import type { ProviderStore } from './providers/provider.ts';
import type { DeviceLoginStore } from './sessions/device-login-store.ts';
import { KnexDeviceLoginStore } from './sessions/knex-device-login-store.ts';
import { KnexSessionStore } from './sessions/knex-session-store.ts';
import type { SessionStore } from './sessions/sessions.ts';
import type { KeyStore } from './tokens/key-ring.ts';
import { KnexKeyStore } from './tokens/knex-key-store.ts';
import { KnexLoginStore } from './tokens/knex-login-store.ts';
import type { LoginStore } from './tokens/login-store.ts';

/**
 * The AuthStore keeps people, their rights and their secrets. Secrets are kept as hashes only.
 *
 * Terms:
 * - An account is a person. A team is a set of accounts.
 * - A role is a right on repositories that match a pattern; accounts, teams, robots and the public hold roles.
 * - A credential is a long-lived secret: a personal token, or a robot, which a program uses.
 * - A login is a refresh token of a client. Each use replaces it by the next one of its family; using an old one ends
 *   the family.
 * - A key signs access tokens, until it retires.
 * - A job rule lets jobs of a CI service log in without a secret. A provider is a server where people log in (OpenID
 *   Connect); a linked account maps its subject to an account.
 * - A session is a login in a browser. A device login is one that a person confirms in a browser for a command line.
 *
 * Life cycle: an account is created, gets roles itself or by its teams, and creates credentials. A client exchanges a
 * password or credential for a login, and that for access tokens, which are not kept. A changed password ends the
 * account's logins; a removed account takes its memberships, roles, credentials, logins and sessions with it.
 *
 * ```ts
 * await store.accounts.create({ name: 'ada', passwordHash, admin: false, createdAt: new Date() });
 * await store.teams.create('backend');
 * await store.teams.join('backend', 'ada');
 * await store.accounts.remove('ada'); // The team has no members now.
 * ```
 *
 * Each method is one durable transaction. Every implementation passes test/contract/auth-store.ts.
 */
export interface AuthStore {
  readonly accounts: AccountStore;
  readonly teams: TeamStore;
  readonly roles: RoleStore;
  readonly credentials: CredentialStore;
  readonly logins: LoginStore;
  readonly keys: KeyStore;
  readonly jobRules: JobRuleStore;
  readonly providers: ProviderStore;
  readonly linkedAccounts: LinkedAccountStore;
  readonly sessions: SessionStore;
  readonly deviceLogins: DeviceLoginStore;
}

/** Opens the store in a database in which ACCOUNT_MIGRATIONS have run. */
export function openAuthStore(database: AuthDatabase): AuthStore {
  return Object.freeze({
    accounts: new KnexAccountStore(database),
    teams: new KnexTeamStore(database),
    roles: new KnexRoleStore(database),
    credentials: new KnexCredentialStore(database),
    logins: new KnexLoginStore(database),
    keys: new KnexKeyStore(database),
    jobRules: new KnexJobRuleStore(database),
    providers: new KnexProviderStore(database),
    linkedAccounts: new KnexLinkedAccountStore(database),
    sessions: new KnexSessionStore(database),
    deviceLogins: new KnexDeviceLoginStore(database),
  });
}
