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

/** All that auth/ keeps. */
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

/** In a database in which ACCOUNT_MIGRATIONS have run. */
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
