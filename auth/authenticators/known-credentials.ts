import { createHmac, randomBytes } from 'node:crypto';
import type { Identity } from '../access/identity.ts';

/**
 * Identities of Authorization headers that were right a moment ago, for as long as nothing has changed. Keeps no
 * header: an HMAC under a key that lives and dies with the process. Bounded; all go when it is full.
 */
export class KnownCredentials {
  readonly #version: () => number;
  readonly #limit: number;
  readonly #key = randomBytes(32);
  readonly #identities = new Map<string, Identity>();
  #current: number | undefined;

  /** `version` gives another number after any change by which a header may have become wrong. */
  constructor(version: () => number, limit = 1000) {
    this.#version = version;
    this.#limit = limit;
  }

  find(authorization: string): Identity | undefined {
    if (this.#identities.size === 0 || this.#version() !== this.#current) return undefined;
    return this.#identities.get(this.#mac(authorization));
  }

  /** To be called before credentials are verified; the function that it answers keeps the outcome. */
  begin(authorization: string): (identity: Identity) => void {
    const version = this.#version();
    return (identity) => {
      if (this.#version() !== version) return;
      if (this.#current !== version || this.#identities.size >= this.#limit) this.#identities.clear();
      this.#current = version;
      this.#identities.set(this.#mac(authorization), identity);
    };
  }

  #mac(authorization: string): string {
    return createHmac('sha256', this.#key).update(authorization).digest('base64');
  }
}
