import type { Identity } from '../access/access.ts';
import type { Directory } from '../accounts/directory.ts';
import { secretKind } from '../credentials/secret.ts';
import { CredentialsInvalidError } from '../errors.ts';
import type { TokenVerifier } from '../tokens/token-verifier.ts';
import type { AttemptContext, Authenticator } from './authenticator.ts';
import type { KnownCredentials } from './known-credentials.ts';
import { type BasicCredentials, type LoginMethod, parseBasicCredentials } from './login-method.ts';

export interface HeaderAuthenticatorParts {
  readonly directory: Directory;
  readonly methods: LoginMethod;
  /** If absent, each request verifies Basic credentials. */
  readonly known?: KnownCredentials;
  /** Reports whether an account fails so often from an address that its password must be verified each time. */
  readonly isTried?: (user: string, remote: string | undefined) => boolean;
  /** If absent, bearer tokens are refused. */
  readonly tokens?: TokenVerifier;
}

/**
 * Authenticates the Authorization header of a request: none, HTTP Basic, a bearer token of the token server, or the
 * secret of a credential, which identifies itself.
 */
export class HeaderAuthenticator implements Authenticator {
  readonly #parts: HeaderAuthenticatorParts;

  constructor(parts: HeaderAuthenticatorParts) {
    this.#parts = parts;
  }

  known(authorization: string | undefined, remote: () => string | undefined): Identity | undefined {
    const { directory, tokens } = this.#parts;
    if (authorization === undefined) return directory.knownAnonymous();
    const token = signedToken(authorization);
    return token === undefined ? this.#remembered(authorization, remote()) : tokens?.known(token);
  }

  async authenticate(authorization: string | undefined, context: AttemptContext): Promise<Identity> {
    const { directory, known, methods, tokens } = this.#parts;
    const { remote } = context;
    if (authorization === undefined) return directory.anonymous();
    const token = signedToken(authorization);
    if (token !== undefined && tokens !== undefined) return tokens.verify(token);
    const credentials = parseSecret(authorization) ?? parseBasicCredentials(authorization);
    if (credentials === undefined) {
      throw new CredentialsInvalidError(
        'the Authorization header contains neither a user and a password (HTTP Basic) nor a token of this registry',
      );
    }
    const remembered = this.#remembered(authorization, remote);
    if (remembered !== undefined) return remembered;
    const keep = known?.begin(authorization, remote);
    const identity = await methods.logIn(credentials, context);
    if (identity === undefined) throw new CredentialsInvalidError();
    keep?.(identity);
    return identity;
  }

  #remembered(authorization: string, remote: string | undefined): Identity | undefined {
    const identity = this.#parts.known?.find(authorization, remote);
    if (identity === undefined || identity.kind === 'anonymous' || identity.proof.kind !== 'password') {
      return identity;
    }
    return this.#parts.isTried?.(identity.name, remote) ? undefined : identity;
  }
}

/** Returns the token after `Bearer` (RFC 6750, section 2.1); undefined for other schemes. */
export function bearerToken(authorization: string): string | undefined {
  return /^bearer +(\S+)$/i.exec(authorization)?.[1];
}

/** Returns a bearer token that is not the secret of a credential. */
function signedToken(authorization: string): string | undefined {
  const token = bearerToken(authorization);
  return token === undefined || secretKind(token) !== undefined ? undefined : token;
}

function parseSecret(authorization: string): BasicCredentials | undefined {
  const token = bearerToken(authorization);
  return token === undefined || secretKind(token) === undefined ? undefined : { password: token };
}
