import { ANONYMOUS, type Identity } from '../access/identity.ts';
import type { Account, AccountStore } from '../accounts/account-store.ts';
import { makePassword } from '../accounts/password.ts';
import { hashPassword, verifyPassword } from '../accounts/password-hash.ts';
import { CredentialsInvalidError } from '../errors.ts';
import type { Authenticator } from './authenticator.ts';
import { type BasicCredentials, parseBasicCredentials } from './basic-credentials.ts';
import type { KnownCredentials } from './known-credentials.ts';
import { Turnstile } from './turnstile.ts';
import { VerifiedPasswords } from './verified-passwords.ts';

/** argon2 runs in the four threads that also read and write files: two stay free for them. */
const HASHES_AT_ONCE = 2;

/**
 * HTTP Basic against the accounts. An unknown user costs as much as a wrong password, and neither blocks the
 * main thread. The account is looked up each time, so that a changed password holds at once.
 */
export class PasswordAuthenticator implements Authenticator {
  readonly #accounts: AccountStore;
  readonly #known: KnownCredentials | undefined;
  readonly #verified = new VerifiedPasswords();
  readonly #turnstile = new Turnstile(HASHES_AT_ONCE);
  #decoyHash: Promise<string> | undefined;

  /** Without `known`, whose version changes with every account, each request waits for its account. */
  constructor(accounts: AccountStore, known?: KnownCredentials) {
    this.#accounts = accounts;
    this.#known = known;
  }

  known(authorization: string | undefined): Identity | undefined {
    return authorization === undefined ? ANONYMOUS : this.#known?.find(authorization);
  }

  async authenticate(authorization: string | undefined, signal: AbortSignal): Promise<Identity> {
    if (authorization === undefined) return ANONYMOUS;
    const credentials = parseBasicCredentials(authorization);
    if (credentials === undefined) {
      throw new CredentialsInvalidError(
        'the Authorization header is not HTTP Basic with a user and a password',
      );
    }
    const keep = this.#known?.begin(authorization);
    const account = await this.#accounts.find(credentials.user);
    if (!(await this.#matches(credentials, account, signal)) || account === undefined) {
      throw new CredentialsInvalidError();
    }
    const identity: Identity = { kind: 'user', name: account.name, admin: account.admin };
    keep?.(identity);
    return identity;
  }

  async #matches(
    { user, password }: BasicCredentials,
    account: Account | undefined,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (account !== undefined && this.#verified.has(user, password, account.passwordHash)) return true;
    this.#decoyHash ??= hashPassword(makePassword());
    const hash = account?.passwordHash ?? (await this.#decoyHash);
    return this.#turnstile.run(async () => {
      // Clients send several requests at once: the first of them has done the work for the others.
      if (account !== undefined && this.#verified.has(user, password, hash)) return true;
      const right = await verifyPassword(password, hash);
      if (right && account !== undefined) this.#verified.add(user, password, hash);
      return right;
    }, signal);
  }
}
