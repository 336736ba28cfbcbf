import type { Identity } from '../access/access.ts';

/** What is known of an attempt to log in beside the credentials. */
export interface AttemptContext {
  /** The client's address, as far as it is known. */
  readonly remote: string | undefined;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
}

/** Finds out who makes a request. */
export interface Authenticator {
  /**
   * `authorization` is the value of the Authorization header; without one the identity is anonymous. Throws
   * CredentialsInvalidError or TokenInvalidError when credentials are given and wrong, or of a kind that is not
   * understood.
   */
  authenticate(authorization: string | undefined, context: AttemptContext): Promise<Identity>;

  /**
   * The identity where it is certain at once, for requests that have no time to wait; undefined when only
   * `authenticate` can tell. As up to date as that is. `remote` gives the client's address, where it is needed.
   */
  known(authorization: string | undefined, remote: () => string | undefined): Identity | undefined;
}
