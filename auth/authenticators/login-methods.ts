import type { Identity } from '../access/identity.ts';
import { CredentialsInvalidError } from '../errors.ts';
import type { AttemptContext } from './authenticator.ts';
import type { BasicCredentials } from './basic-credentials.ts';
import type { LoginMethod } from './login-method.ts';

/** Asks several methods in order; what none of them takes is wrong. */
export class LoginMethods implements LoginMethod {
  readonly #methods: readonly LoginMethod[];

  constructor(methods: readonly LoginMethod[]) {
    this.#methods = methods;
  }

  async logIn(credentials: BasicCredentials, context: AttemptContext): Promise<Identity> {
    for (const method of this.#methods) {
      const identity = await method.logIn(credentials, context);
      if (identity !== undefined) return identity;
    }
    throw new CredentialsInvalidError();
  }
}
