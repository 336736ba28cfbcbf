import { availableParallelism } from 'node:os';
import type { Identity } from '../access/identity.ts';
import type { Account, AccountStore } from '../accounts/account-store.ts';
import type { Directory } from '../accounts/directory.ts';
import { makePassword } from '../accounts/password.ts';
import { hashPassword, verifyPassword } from '../accounts/password-hash.ts';
import { CredentialsInvalidError } from '../errors.ts';
import type { AttemptContext } from './authenticator.ts';
import type { BasicCredentials } from './basic-credentials.ts';
import type { LoginMethod } from './login-method.ts';
import { Turnstile } from './turnstile.ts';
import { VerifiedPasswords } from './verified-passwords.ts';

/**
 * argon2 runs in the few threads that also read and write files, and takes a whole processor: most threads, and a
 * processor for everything else, stay free.
 */
const HASHES_AT_ONCE = Math.min(4, Math.max(1, availableParallelism() - 1));

/**
 * Passwords of accounts. An unknown user costs as much as a wrong password, and neither blocks the main thread. The
 * account is looked up each time, so that a changed password holds at once.
 */
export class PasswordLogin implements LoginMethod {
  readonly #accounts: AccountStore;
  readonly #directory: Directory;
  readonly #verified = new VerifiedPasswords();
  readonly #turnstile = new Turnstile(HASHES_AT_ONCE);
  #decoyHash: Promise<string> | undefined;

  constructor(accounts: AccountStore, directory: Directory) {
    this.#accounts = accounts;
    this.#directory = directory;
  }

  async logIn(credentials: BasicCredentials, { signal }: AttemptContext): Promise<Identity> {
    const account = await this.#accounts.find(credentials.user);
    const matches = await this.#matches(credentials, account, signal);
    const identity = matches ? await this.#directory.user(credentials.user) : undefined;
    if (identity === undefined) throw new CredentialsInvalidError();
    return identity;
  }

  async #matches(
    { user, password }: BasicCredentials,
    account: Account | undefined,
    signal: AbortSignal,
  ): Promise<boolean> {
    const expected = account?.passwordHash;
    if (expected !== undefined && this.#verified.has(user, password, expected)) return true;
    this.#decoyHash ??= hashPassword(makePassword());
    const hash = expected ?? (await this.#decoyHash);
    return this.#turnstile.run(async () => {
      // Clients send several requests at once: the first of them has done the work for the others.
      if (expected !== undefined && this.#verified.has(user, password, hash)) return true;
      const right = (await verifyPassword(password, hash)) && expected !== undefined;
      if (right) this.#verified.add(user, password, hash);
      return right;
    }, signal);
  }
}
