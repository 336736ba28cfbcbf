import { createHmac, randomBytes } from 'node:crypto';
import { networkOf } from '../../lib/http/addresses.ts';
import { holdsAt, type Identity } from '../access/access.ts';
import { WhileUnchanged } from '../while-unchanged.ts';

/**
 * Caches the identities of verified Authorization headers until something changes, separately for each client network,
 * so that other networks cannot test passwords with it. Stores no header, only an HMAC under a key that lives and dies
 * with the process. Bounded.
 */
export class KnownCredentials {
  readonly #key = randomBytes(32);
  readonly #identities: WhileUnchanged<Identity>;

  /** `version` returns another number after any change that may invalidate a header. */
  constructor(version: () => number, limit = 1000) {
    this.#identities = new WhileUnchanged(version, limit);
  }

  find(authorization: string, remote: string | undefined): Identity | undefined {
    const identity = this.#identities.find(this.#mac(authorization, remote));
    return identity !== undefined && holdsAt(identity, Date.now()) ? identity : undefined;
  }

  /** Called before credentials are verified; returns the function that stores the outcome. */
  begin(authorization: string, remote: string | undefined): (identity: Identity) => void {
    return this.#identities.begin(this.#mac(authorization, remote));
  }

  #mac(authorization: string, remote: string | undefined): string {
    return createHmac('sha256', this.#key)
      .update(`${networkOf(remote)} ${authorization}`)
      .digest('base64');
  }
}
