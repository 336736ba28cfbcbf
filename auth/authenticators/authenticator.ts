import type { Identity } from '../access/identity.ts';

/** Finds out who makes a request. */
export interface Authenticator {
  /**
   * `authorization` is the value of the Authorization header; without one the identity is anonymous. Throws
   * CredentialsInvalidError when credentials are given and wrong, or of a kind that is not understood.
   */
  authenticate(authorization: string | undefined, signal: AbortSignal): Promise<Identity>;

  /**
   * The identity where it is certain at once, for requests that have no time to wait; undefined when only
   * `authenticate` can tell. As up to date as that is.
   */
  known(authorization: string | undefined): Identity | undefined;
}
