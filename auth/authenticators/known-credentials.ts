import { createHmac, randomBytes } from 'node:crypto';
import { networkOf } from '../../lib/http/addresses.ts';
import { holdsAt, type Identity } from '../access/access.ts';
import { WhileUnchanged } from '../while-unchanged.ts';

/**
 * Identities of Authorization headers that were right a moment ago, for as long as nothing has changed, each for the
 * network that it came from, so that other networks cannot test passwords with them. Stores no header but an HMAC under a
 * key that lives and dies with the process. Bounded.
 */
export class KnownCredentials {
  readonly #key = randomBytes(32);
  readonly #identities: WhileUnchanged<Identity>;

  /** `version` gives another number after any change by which a header may have become wrong. */
  constructor(version: () => number, limit = 1000) {
    this.#identities = new WhileUnchanged(version, limit);
  }

  find(authorization: string, remote: string | undefined): Identity | undefined {
    const identity = this.#identities.find(this.#mac(authorization, remote));
    return identity !== undefined && holdsAt(identity, Date.now()) ? identity : undefined;
  }

  /** To be called before credentials are verified; the function that it answers keeps the outcome. */
  begin(authorization: string, remote: string | undefined): (identity: Identity) => void {
    return this.#identities.begin(this.#mac(authorization, remote));
  }

  #mac(authorization: string, remote: string | undefined): string {
    return createHmac('sha256', this.#key)
      .update(`${networkOf(remote)} ${authorization}`)
      .digest('base64');
  }
}
