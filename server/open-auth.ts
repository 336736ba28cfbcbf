import { type Access, OPEN_ACCESS } from '../auth/access/access.ts';
import type { Authenticator } from '../auth/authenticators/authenticator.ts';
import type { ChallengePolicy } from './challenges.ts';
import type { Config } from './config/config.ts';
import type { LoginDependencies } from './login/login-router.ts';
import type { ManagementDependencies } from './management/management-router.ts';
import { openAccounts } from './open-accounts.ts';
import type { OpenedStorage } from './open-storage.ts';
import type { TokenDependencies } from './token/token-router.ts';

/** Who may do what in a running registry. */
export interface OpenedAuth {
  readonly access: Access;
  /** Absent when the registry is open to all. */
  readonly authenticator: Authenticator | undefined;
  readonly challenges: ChallengePolicy;
  /** Absent where there are no accounts. */
  readonly login: LoginDependencies | undefined;
  /** Absent where there are no accounts. */
  readonly management:
    | Omit<ManagementDependencies, 'catalog' | 'deliver' | 'isDraining' | 'refuseReceiver'>
    | undefined;
  /** Absent where there is no token server. */
  readonly tokens: TokenDependencies | undefined;
}

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
