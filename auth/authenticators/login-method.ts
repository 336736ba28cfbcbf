import type { Identity } from '../access/identity.ts';
import type { AttemptContext } from './authenticator.ts';
import type { BasicCredentials } from './basic-credentials.ts';

/**
 * A way to show who one is by a user name and a secret: a password, a long-lived token, the token of a job. HTTP
 * Basic and the token server both go through the same list of them, in order.
 */
export interface LoginMethod {
  /**
   * Undefined when the secret is not of this kind, so that the next method is asked. Throws CredentialsInvalidError
   * when it is of this kind and wrong. Must take no longer for a name that does not exist than for a wrong secret.
   */
  logIn(credentials: BasicCredentials, context: AttemptContext): Promise<Identity | undefined>;
}
