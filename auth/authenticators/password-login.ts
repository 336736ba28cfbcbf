import type { Identity } from '../access/access.ts';
import type { Directory } from '../accounts/directory.ts';
import { CredentialsInvalidError } from '../errors.ts';
import type { PasswordGuard } from '../passwords/password-guard.ts';
import type { AttemptContext } from './authenticator.ts';
import type { BasicCredentials, LoginMethod } from './login-method.ts';

/** Accepts passwords of accounts. It reads the account each time, so that a changed password takes effect at once. */
export class PasswordLogin implements LoginMethod {
  readonly #directory: Directory;
  readonly #guard: PasswordGuard;

  constructor(directory: Directory, guard: PasswordGuard) {
    this.#directory = directory;
    this.#guard = guard;
  }

  /** Throws TooManyAttemptsError as well. */
  async logIn({ user = '', password }: BasicCredentials, context: AttemptContext): Promise<Identity> {
    const right = await this.#guard.check({ user, password, ...context });
    const identity = right ? await this.#directory.user(user) : undefined;
    if (identity === undefined) throw new CredentialsInvalidError();
    return identity;
  }
}
