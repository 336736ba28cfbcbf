import { ANONYMOUS, type Identity } from '../access/access.ts';
import { TokenInvalidError } from '../errors.ts';
import type { TokenVerifier } from '../tokens/token-verifier.ts';
import type { Authenticator } from './authenticator.ts';
import { bearerToken } from './header-authenticator.ts';

/** Accepts only tokens of an external token server: there are no accounts here. */
export class BearerAuthenticator implements Authenticator {
  readonly #tokens: TokenVerifier;

  constructor(tokens: TokenVerifier) {
    this.#tokens = tokens;
  }

  known(authorization: string | undefined): Identity | undefined {
    if (authorization === undefined) return ANONYMOUS;
    const token = bearerToken(authorization);
    return token === undefined ? undefined : this.#tokens.known(token);
  }

  async authenticate(authorization: string | undefined): Promise<Identity> {
    if (authorization === undefined) return ANONYMOUS;
    const token = bearerToken(authorization);
    if (token === undefined) throw new TokenInvalidError('get a token from the token server and send it');
    return this.#tokens.verify(token);
  }
}
