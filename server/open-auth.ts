import { OPEN_ACCESS } from '../auth/access/access.ts';
import type { Config } from './config/config.ts';
import { openAccounts } from './open-accounts.ts';
import type { OpenedAuth } from './open-logins.ts';
import type { OpenedStorage } from './open-storage.ts';

/**
 * Brings the tables of accounts up to date, makes the administrator at the first start and tells by `say` how to
 * log in. Throws ConfigError.
 */
export async function openAuth(
  config: Pick<Config, 'adminPassword' | 'auth' | 'tokens'>,
  { database, version }: Pick<OpenedStorage, 'database' | 'version'>,
  say: (line: string) => void,
): Promise<OpenedAuth> {
  const store = await openAccounts(database);
  if (config.auth === 'none') {
    return {
      access: OPEN_ACCESS,
      authenticator: undefined,
      challenges: { kind: 'basic' },
      login: undefined,
      management: undefined,
      tokens: undefined,
    };
  }
  // Takes long to load.
  const { openLogins } = await import('./open-logins.ts');
  return openLogins(config, store, version, say);
}
