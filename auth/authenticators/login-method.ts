import type { Identity } from '../access/access.ts';
import { CredentialsInvalidError } from '../errors.ts';
import type { AttemptContext } from './authenticator.ts';

export interface BasicCredentials {
  /** Absent for a secret that came as a bearer token. */
  readonly user?: string;
  readonly password: string;
}

/** Parses `Basic BASE64(user:password)` (RFC 7617, section 2); undefined for any other value. */
export function parseBasicCredentials(authorization: string): BasicCredentials | undefined {
  const match = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization);
  if (match?.[1] === undefined) return undefined;
  const text = Buffer.from(match[1], 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/**
 * A kind of secret that proves an identity: a password, a personal token, a robot's secret, or the token of a job. HTTP
 * Basic and the token server try the same methods in the same order.
 *
 * A method recognises its own secrets by their form. For example, a CI job logs in with its token: CredentialLogin returns
 * undefined, since the secret has no prefix of this registry, and JobLogin returns the job's identity or throws.
 * PasswordLogin comes last, because any other text may be a password.
 */
export interface LoginMethod {
  /**
   * Returns undefined when the secret is of another kind, so that the next method is tried. Throws
   * CredentialsInvalidError when the secret is of this kind and wrong. Must not take longer for an unknown name than
   * for a wrong secret.
   */
  logIn(credentials: BasicCredentials, context: AttemptContext): Promise<Identity | undefined>;
}

/** Tries several methods in order; credentials that none of them accepts are wrong. */
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
