import type { Identity } from '../access/access.ts';
import type { Directory } from '../accounts/directory.ts';
import { hashSecret, secretKind } from '../credentials/secret.ts';
import { CredentialsInvalidError } from '../errors.ts';
import type { LoginStore } from '../tokens/login-store.ts';
import type { BasicCredentials, LoginMethod } from './login-method.ts';

/**
 * Accepts the identity (refresh) token that `docker login` stores as a bearer token, so that the commands of `berth`
 * need no login of their own. It manages only apps and hosts.
 */
export class RefreshTokenLogin implements LoginMethod {
  readonly #logins: Pick<LoginStore, 'find'>;
  readonly #directory: Directory;

  constructor(logins: Pick<LoginStore, 'find'>, directory: Directory) {
    this.#logins = logins;
    this.#directory = directory;
  }

  async logIn({ user, password }: BasicCredentials): Promise<Identity | undefined> {
    if (user !== undefined || secretKind(password) !== 'ref') return undefined;
    const login = await this.#logins.find(hashSecret(password));
    const counts = login !== undefined && !login.replaced && login.expiresAt.getTime() > Date.now();
    const identity = counts ? await this.#directory.subject(login.subject) : undefined;
    if (login === undefined || identity === undefined || identity.kind === 'anonymous') {
      throw new CredentialsInvalidError('the login has expired: log in again');
    }
    const until = Math.min(identity.until ?? Number.POSITIVE_INFINITY, login.expiresAt.getTime());
    // After a login by password, the token alone must not do what needs the password.
    return identity.proof.kind === 'password'
      ? { ...identity, until, proof: { kind: 'login' } }
      : { ...identity, until };
  }
}
