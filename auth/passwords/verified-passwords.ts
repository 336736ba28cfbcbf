import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

interface Entry {
  readonly mac: Buffer;
  readonly passwordHash: string;
}

/**
 * Remembers which password was right for which hash, so that argon2 runs once and not for each request. Keeps
 * no password: an HMAC under a key that lives and dies with the process. Bounded; the least recently used goes first.
 */
export class VerifiedPasswords {
  readonly #key = randomBytes(32);
  readonly #entries = new Map<string, Entry>();
  readonly #limit: number;

  constructor(limit = 1000) {
    this.#limit = limit;
  }

  /** True when `password` was found right before, and the account's hash is still the same. Constant time. */
  has(user: string, password: string, passwordHash: string): boolean {
    const entry = this.#entries.get(user);
    if (entry === undefined || entry.passwordHash !== passwordHash) return false;
    if (!timingSafeEqual(entry.mac, this.#mac(password))) return false;
    this.#entries.delete(user);
    this.#entries.set(user, entry);
    return true;
  }

  /** Reports whether the right password for this hash is known, so that all others are wrong. */
  knows(user: string, passwordHash: string): boolean {
    return this.#entries.get(user)?.passwordHash === passwordHash;
  }

  add(user: string, password: string, passwordHash: string): void {
    this.#entries.delete(user);
    this.#entries.set(user, { mac: this.#mac(password), passwordHash });
    if (this.#entries.size > this.#limit) {
      const oldest = this.#entries.keys().next();
      if (!oldest.done) this.#entries.delete(oldest.value);
    }
  }

  #mac(password: string): Buffer {
    return createHmac('sha256', this.#key).update(password).digest();
  }
}
