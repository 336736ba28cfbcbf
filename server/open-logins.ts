import { type Access, RIGHTS_ACCESS } from '../auth/access/access.ts';
import { ALL_RIGHTS } from '../auth/access/rights.ts';
import type { AccountStore } from '../auth/accounts/account-store.ts';
import { Directory } from '../auth/accounts/directory.ts';
import { ensureAdmin } from '../auth/accounts/first-admin.ts';
import type { AuthStore } from '../auth/auth-store.ts';
import type { Authenticator } from '../auth/authenticators/authenticator.ts';
import { BearerAuthenticator } from '../auth/authenticators/bearer-authenticator.ts';
import { CredentialLogin } from '../auth/authenticators/credential-login.ts';
import { HeaderAuthenticator } from '../auth/authenticators/header-authenticator.ts';
import { KnownCredentials } from '../auth/authenticators/known-credentials.ts';
import { LoginMethods } from '../auth/authenticators/login-method.ts';
import { PasswordLogin } from '../auth/authenticators/password-login.ts';
import { RefreshTokenLogin } from '../auth/authenticators/refresh-token-login.ts';
import { PasswordRefusedError } from '../auth/errors.ts';
import { JobLogin } from '../auth/jobs/job-login.ts';
import { TokenLimit } from '../auth/limits/token-limit.ts';
import { PasswordGuard } from '../auth/passwords/password-guard.ts';
import { PasswordHasher } from '../auth/passwords/password-hasher.ts';
import { ProviderClient } from '../auth/providers/provider-client.ts';
import { DeviceLogins } from '../auth/sessions/device-logins.ts';
import { Sessions } from '../auth/sessions/sessions.ts';
import { KeyRing } from '../auth/tokens/key-ring.ts';
import { outsideKeys } from '../auth/tokens/outside-keys.ts';
import { TokenServer } from '../auth/tokens/token-server.ts';
import { TokenVerifier } from '../auth/tokens/token-verifier.ts';
import { ConfigError } from '../lib/settings/config-error.ts';
import type { ChallengePolicy } from './challenges.ts';
import type { Config } from './config/config.ts';
import { HostLogin } from './fleet/host-login.ts';
import { HostTokens } from './fleet/host-tokens.ts';
import type { LoginDependencies } from './login/login-router.ts';
import type { ManagementDependencies } from './management/management-router.ts';
import type { OpenedStorage } from './open-storage.ts';
import type { TokenDependencies } from './token/token-router.ts';

/** The authentication and authorisation of a running registry. */
export interface OpenedAuth {
  readonly access: Access;
  /** Absent when the registry is open to all. */
  readonly authenticator: Authenticator | undefined;
  readonly challenges: ChallengePolicy;
  /** Absent without accounts, and so without a fleet. */
  readonly hostTokens: HostTokens | undefined;
  /** Absent without accounts. */
  readonly login: LoginDependencies | undefined;
  /** Absent without accounts. */
  readonly management:
    | Omit<
        ManagementDependencies,
        'browse' | 'catalog' | 'deliver' | 'events' | 'fleet' | 'isDraining' | 'refuseReceiver'
      >
    | undefined;
  /** Absent without a token server. */
  readonly tokens: TokenDependencies | undefined;
  /** Returns 32-byte keys for a purpose, the same in every process of a database; the newest first. */
  readonly keysFor: (purpose: string) => Promise<readonly Buffer[]>;
}

/**
 * Opens the logins and tokens of a registry with authentication. Creates the administrator at the first start and
 * explains with `say` how to log in. Throws ConfigError.
 */
export async function openLogins(
  config: Pick<Config, 'adminPassword' | 'tokens'>,
  store: AuthStore,
  { hosts, version }: Pick<OpenedStorage, 'hosts' | 'version'>,
  say: (line: string) => void,
): Promise<OpenedAuth> {
  const { challenge, issuer, life, outsideKeys: outside, realm, services } = config.tokens;
  const [service] = services;
  const challenges: ChallengePolicy =
    challenge === 'basic'
      ? { kind: 'basic' }
      : { kind: 'bearer', service, ...(realm !== undefined && { realm }) };
  const keys = new KeyRing(store.keys);
  const keysFor = (purpose: string) => keys.derived(purpose);
  if (outside !== undefined) {
    const tokens = new TokenVerifier({
      issuer,
      audience: service,
      keys: outsideKeys(outside),
      // As in distribution: an identity that may list at all sees everything.
      seenBy: async () => ALL_RIGHTS,
    });
    return {
      access: RIGHTS_ACCESS,
      authenticator: new BearerAuthenticator(tokens),
      challenges,
      hostTokens: undefined,
      login: undefined,
      management: undefined,
      tokens: undefined,
      keysFor,
    };
  }
  const hasher = new PasswordHasher();
  await makeAdmin(store.accounts, hasher, config.adminPassword, say);
  const everything = () => version.everything();
  const directory = new Directory(store, everything);
  const hostTokens = new HostTokens({ hosts, issuer, keys });
  const guard = new PasswordGuard({
    hasher,
    hashOf: async (user) => (await store.accounts.find(user))?.passwordHash,
  });
  // Secrets of 128 bits and more come first, so failures of others never block them.
  const passwords = new PasswordLogin(directory, guard);
  const methods = new LoginMethods([
    new RefreshTokenLogin(store.logins, directory),
    new CredentialLogin(store.credentials, directory),
    new HostLogin(hostTokens, hosts),
    new JobLogin(store.jobRules),
    passwords,
  ]);
  const authenticator = new HeaderAuthenticator({
    directory,
    methods,
    known: new KnownCredentials(everything),
    isTried: (user, remote) => guard.isTried(user, remote),
    tokens: new TokenVerifier({
      issuer,
      audience: service,
      keys,
      seenBy: async (claims) => (await directory.named(claims))?.rights,
    }),
  });
  const limit = config.tokens.limit === undefined ? {} : { limit: new TokenLimit(config.tokens.limit) };
  const sessions = new Sessions(store.sessions, directory);
  const server = new TokenServer({
    issuer,
    services,
    life,
    keys,
    logins: store.logins,
    directory,
    version: everything,
    ...limit,
  });
  return {
    access: RIGHTS_ACCESS,
    authenticator,
    challenges,
    hostTokens,
    login: { store, sessions, passwords, providers: new ProviderClient(), devices: new DeviceLogins(store) },
    management: { authenticator, sessions, store, passwords: { guard, hasher } },
    tokens: { authenticator, keys, methods, server, ...limit },
    keysFor,
  };
}

async function makeAdmin(
  accounts: AccountStore,
  hasher: PasswordHasher,
  password: string | undefined,
  say: (line: string) => void,
): Promise<void> {
  try {
    const admin = await ensureAdmin(accounts, hasher, password);
    if (admin.kind !== 'made-with-password') return;
    say('This is the first start. Log in with these; the password is not shown again:');
    say(`  user      ${admin.name}`);
    say(`  password  ${admin.password}`);
  } catch (cause) {
    if (!(cause instanceof PasswordRefusedError)) throw cause;
    throw new ConfigError(`BERTH_ADMIN_PASSWORD cannot be used: ${cause.message}`, { cause });
  }
}
