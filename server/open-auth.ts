import { type Access, ADMIN_ACCESS, OPEN_ACCESS } from '../auth/access/access.ts';
import { ACCOUNT_MIGRATIONS } from '../auth/accounts/account-migrations.ts';
import type { AccountStore } from '../auth/accounts/account-store.ts';
import { ensureAdmin } from '../auth/accounts/first-admin.ts';
import { KnexAccountStore } from '../auth/accounts/knex-account-store.ts';
import type { Authenticator } from '../auth/authenticators/authenticator.ts';
import { KnownCredentials } from '../auth/authenticators/known-credentials.ts';
import { PasswordAuthenticator } from '../auth/authenticators/password-authenticator.ts';
import { PasswordRefusedError } from '../auth/errors.ts';
import { migrate } from '../storage/catalog/migrate.ts';
import { type Config, ConfigError } from './config.ts';
import type { OpenedStorage } from './open-storage.ts';

/** Who may do what in a running registry. */
export interface OpenedAuth {
  readonly access: Access;
  /** Absent when the registry is open to all. */
  readonly authenticator: Authenticator | undefined;
}

/**
 * Brings the tables of accounts up to date, makes the administrator at the first start and tells by `say` how to
 * log in. Throws ConfigError.
 */
export async function openAuth(
  config: Pick<Config, 'adminPassword' | 'auth'>,
  { database, version }: Pick<OpenedStorage, 'database' | 'version'>,
  say: (line: string) => void,
): Promise<OpenedAuth> {
  await migrate(database, 'auth_migrations', ACCOUNT_MIGRATIONS);
  if (config.auth === 'none') return { access: OPEN_ACCESS, authenticator: undefined };
  const accounts = new KnexAccountStore(database);
  await makeAdmin(accounts, config.adminPassword, say);
  const known = new KnownCredentials(() => version.everything());
  return { access: ADMIN_ACCESS, authenticator: new PasswordAuthenticator(accounts, known) };
}

async function makeAdmin(
  accounts: AccountStore,
  password: string | undefined,
  say: (line: string) => void,
): Promise<void> {
  try {
    const admin = await ensureAdmin(accounts, password);
    if (admin.kind !== 'made-with-password') return;
    say('This is the first start. Log in with these; the password is not shown again:');
    say(`  user      ${admin.name}`);
    say(`  password  ${admin.password}`);
  } catch (cause) {
    if (!(cause instanceof PasswordRefusedError)) throw cause;
    throw new ConfigError(`BERTH_ADMIN_PASSWORD cannot be used: ${cause.message}`, { cause });
  }
}
