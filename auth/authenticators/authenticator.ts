import type { Identity } from '../access/access.ts';

/** Facts about a login attempt other than its credentials. */
export interface AttemptContext {
  /** The client's address, if known. */
  readonly remote: string | undefined;
  /** Aborts when the client has disconnected. */
  readonly signal: AbortSignal;
}

/** Identifies the client of a request. */
export interface Authenticator {
  /**
   * `authorization` is the value of the Authorization header; without one the identity is anonymous. Throws
   * CredentialsInvalidError or TokenInvalidError for credentials that are wrong or of an unknown kind.
   */
  authenticate(authorization: string | undefined, context: AttemptContext): Promise<Identity>;

  /**
   * Returns the identity if it is cached, for requests that must not wait; undefined when only `authenticate` can tell.
   * Both are equally up to date. `remote` returns the client's address when it is needed.
   */
  known(authorization: string | undefined, remote: () => string | undefined): Identity | undefined;
}
