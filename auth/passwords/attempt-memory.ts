import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** Maximum keys; the ones that failed longest ago are evicted first. */
const MOST_KEYS = 50_000;

interface Count {
  /** Number of failures at time `at`. */
  readonly failures: number;
  readonly at: number;
}

/** Counts failures by key, and forgets one after each `forgetting` milliseconds without another. */
export class Failures {
  readonly #counts = new Map<string, Count>();
  readonly #forgetting: number;
  readonly #now: () => number;

  constructor(forgetting: number, now: () => number) {
    this.#forgetting = forgetting;
    this.#now = now;
  }

  of(key: string): number {
    const count = this.#counts.get(key);
    if (count === undefined) return 0;
    return Math.max(0, count.failures - Math.floor((this.#now() - count.at) / this.#forgetting));
  }

  /** Milliseconds since the last failure. */
  since(key: string): number {
    const count = this.#counts.get(key);
    return count === undefined ? Number.POSITIVE_INFINITY : this.#now() - count.at;
  }

  add(key: string): void {
    const failures = this.of(key) + 1;
    this.#counts.delete(key);
    if (this.#counts.size >= MOST_KEYS) this.#counts.delete(this.#counts.keys().next().value ?? '');
    this.#counts.set(key, { failures, at: this.#now() });
  }
}

const MOST_ACCOUNTS = 10_000;
/** Maximum networks per account, so that one account does not evict the networks of others. */
const MOST_NETWORKS = 64;

/**
 * The networks from which accounts have logged in since the process started. The least recently used are evicted first.
 */
export class FamiliarAddresses {
  readonly #accounts = new Map<string, Set<string>>();

  has(account: string, network: string): boolean {
    return this.#accounts.get(account)?.has(network) ?? false;
  }

  add(account: string, network: string): void {
    const networks = this.#accounts.get(account) ?? new Set();
    moveToEnd(networks, network);
    if (networks.size > MOST_NETWORKS) networks.delete(networks.values().next().value ?? '');
    this.#accounts.delete(account);
    this.#accounts.set(account, networks);
    if (this.#accounts.size > MOST_ACCOUNTS) this.#accounts.delete(this.#accounts.keys().next().value ?? '');
  }
}

function moveToEnd(names: Set<string>, name: string): void {
  names.delete(name);
  names.add(name);
}

interface Entry {
  readonly mac: Buffer;
  readonly passwordHash: string;
}

/**
 * Remembers which password was right for which hash, so that argon2 runs once and not for each request. Stores no
 * password, only an HMAC under a key that lives and dies with the process. Bounded; the least recently used are evicted
 * first.
 */
export class VerifiedPasswords {
  readonly #key = randomBytes(32);
  readonly #entries = new Map<string, Entry>();
  readonly #limit: number;

  constructor(limit = 1000) {
    this.#limit = limit;
  }

  /** Returns whether `password` was right before, and the account's hash is unchanged. Constant time. */
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
