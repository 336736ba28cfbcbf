import { createHmac, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { networkOf, siteOf } from '../../lib/http/addresses.ts';
import { KeyedLock, Semaphore } from '../../lib/sync/semaphore.ts';
import { TooManyAttemptsError } from '../errors.ts';
import { Failures, FamiliarAddresses, VerifiedPasswords } from './attempt-memory.ts';
import { makePassword } from './password.ts';
import type { HashTurn, PasswordHasher } from './password-hasher.ts';

const MINUTE = 60_000;
/** Failures of an account from one address without a wait. */
const FREE = 10;
/** The same while the account or the address is under attack: a right password still works at once. */
const FREE_UNDER_ATTACK = 1;
/** Failures of an account from all networks of an IPv6 site without a wait. */
const FREE_OF_SITE = 100;
/** Failures of one account, or of one address, that count as an attack. */
const ATTACK = 100;
/** Wait after the first failure that is not free, milliseconds. It doubles with each one. */
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 15 * MINUTE;
/**
 * An account is never refused where it has logged in before. After too many failures there, each attempt pauses for at
 * most LONGEST_FAMILIAR_WAIT milliseconds, and at most FAMILIAR_AT_ONCE attempts pause at once: 16 guesses a second.
 * The others queue in order and without a limit, so a right password behind 100 guesses waits 6.5 s.
 */
const LONGEST_FAMILIAR_WAIT = 500;
const FAMILIAR_AT_ONCE = 8;
/** Maximum attempts that wait for one account and an address from which it has never logged in. */
const MOST_QUEUED = 32;
/** Remembered wrong passwords per account and address. */
const MOST_WRONG = 8;
const MOST_WRONG_KEYS = 10_000;

export interface PasswordAttempt {
  readonly user: string;
  readonly password: string;
  /** The client's address, if known. */
  readonly remote: string | undefined;
  /** Aborts when the client has disconnected. */
  readonly signal: AbortSignal;
}

export interface PasswordGuardParts {
  readonly hasher: Pick<PasswordHasher, 'hash' | 'verify'>;
  /** The stored hash of an account's password; undefined without one. */
  readonly hashOf: (user: string) => Promise<string | undefined>;
  /** Returns milliseconds of a monotonic clock. */
  readonly now?: () => number;
  /** Sleeps for some milliseconds. */
  readonly pause?: (milliseconds: number) => Promise<void>;
}

/**
 * Checks passwords, and limits attempts. Failures count for a pair of account and address, with a wait that doubles, so
 * that an attacker can lock out neither an account at other addresses nor others behind the same address. Where an
 * account has logged in before, it may have to queue but is not refused. Repeats of the same wrong password, as
 * programs with an outdated password send, count once. Each process counts separately.
 */
export class PasswordGuard {
  readonly #parts: PasswordGuardParts;
  readonly #here: Failures;
  readonly #accounts: Failures;
  readonly #networks: Failures;
  readonly #sites: Failures;
  readonly #familiar = new FamiliarAddresses();
  readonly #verified = new VerifiedPasswords();
  readonly #wrong = new Map<string, string[]>();
  readonly #lock = new KeyedLock();
  /** Attempts at familiar addresses that pause, are being checked, or queue. */
  readonly #slow = new Map<string, { readonly places: Semaphore; holders: number }>();
  readonly #queued = new Map<string, number>();
  readonly #key = randomBytes(32);
  #decoyHash: Promise<string> | undefined;

  constructor(parts: PasswordGuardParts) {
    const now = parts.now ?? (() => performance.now());
    this.#parts = parts;
    this.#here = new Failures(10 * MINUTE, now);
    this.#accounts = new Failures(MINUTE, now);
    this.#networks = new Failures(MINUTE, now);
    this.#sites = new Failures(10 * MINUTE, now);
  }

  /**
   * Returns whether the password is the account's. A missing account, or one without a password, costs as much as a
   * wrong password. Throws TooManyAttemptsError, and the signal's reason.
   */
  async check(attempt: PasswordAttempt): Promise<boolean> {
    const pair = pairOf(attempt);
    if (this.#isFamiliar(pair) && this.#wait(pair) > 0) return this.#checkSlowly(attempt, pair);
    if (!this.#isFamiliar(pair)) this.#refuse(pair);
    const queued = this.#queued.get(pair.key) ?? 0;
    if (queued >= MOST_QUEUED && !this.#isFamiliar(pair)) throw new TooManyAttemptsError(1);
    this.#queued.set(pair.key, queued + 1);
    try {
      // One at a time: of many concurrent attempts, most are then checked after the first have failed.
      return await this.#lock.run(pair.key, () => this.#check(attempt, pair));
    } finally {
      const left = (this.#queued.get(pair.key) ?? 1) - 1;
      if (left === 0) this.#queued.delete(pair.key);
      else this.#queued.set(pair.key, left);
    }
  }

  /** Reports whether this account fails so often from this address that only `check` may let it in. */
  isTried(user: string, remote: string | undefined): boolean {
    return this.#wait(pairOf({ user, remote })) > 0;
  }

  async #check({ user, password, signal }: Omit<PasswordAttempt, 'remote'>, pair: Pair): Promise<boolean> {
    signal.throwIfAborted();
    // Others may have failed while this attempt queued.
    if (this.#wait(pair) > 0) {
      if (this.#isFamiliar(pair)) return this.#checkSlowly({ user, password, signal }, pair);
      this.#refuse(pair);
    }
    const expected = await this.#parts.hashOf(user);
    this.#decoyHash ??= this.#parts.hasher.hash(makePassword());
    const hash = expected ?? (await this.#decoyHash);
    const mac = this.#mac(pair, password, hash);
    if (this.#wrong.get(pair.key)?.includes(mac)) return false;
    if (expected !== undefined && this.#verified.has(user, password, hash)) {
      this.#familiar.add(pair.account, pair.network);
      return true;
    }
    const turn = this.#turnOf(pair, signal);
    const right = (await this.#parts.hasher.verify(password, hash, turn)) && expected !== undefined;
    if (right) {
      this.#verified.add(user, password, hash);
      this.#familiar.add(pair.account, pair.network);
    } else this.#fail(pair, mac);
    return right;
  }

  /**
   * Checks an attempt at a familiar address. A client that disconnects leaves the queue at once, but a place that it
   * holds is free only after the pause.
   */
  async #checkSlowly(attempt: Omit<PasswordAttempt, 'remote'>, pair: Pair): Promise<boolean> {
    const { user, password, signal } = attempt;
    const slow = this.#slow.get(pair.key) ?? { places: new Semaphore(FAMILIAR_AT_ONCE), holders: 0 };
    this.#slow.set(pair.key, slow);
    slow.holders += 1;
    try {
      return await slow.places.hold(signal, async () => {
        await this.#pause(Math.min(this.#wait(pair), LONGEST_FAMILIAR_WAIT));
        const hash = await this.#parts.hashOf(user);
        if (hash === undefined) return false;
        const mac = this.#mac(pair, password, hash);
        if (this.#verified.has(user, password, hash)) return true;
        if (this.#wrong.get(pair.key)?.includes(mac)) return false;
        const known = this.#verified.knows(user, hash);
        const turn = this.#turnOf(pair, signal);
        const right = !known && (await this.#parts.hasher.verify(password, hash, turn));
        if (right) this.#verified.add(user, password, hash);
        else this.#fail(pair, mac);
        return right;
      });
    } finally {
      slow.holders -= 1;
      if (slow.holders === 0) this.#slow.delete(pair.key);
    }
  }

  #turnOf(pair: Pair, signal: AbortSignal): HashTurn {
    const tried = this.#here.of(pair.key) > 0 || this.#networks.of(pair.network) > 0;
    const lane = this.#isFamiliar(pair) ? 0 : tried ? 2 : 1;
    return { place: { lane, keys: [pair.network, pair.account] }, signal };
  }

  #refuse(pair: Pair): void {
    const wait = this.#wait(pair);
    if (wait > 0) throw new TooManyAttemptsError(Math.ceil(wait / 1000));
  }

  /** Returns the milliseconds until the next attempt; 0 when it is possible now. */
  #wait({ key, account, network, siteKey }: Pair): number {
    const isAttack = this.#accounts.of(account) >= ATTACK || this.#networks.of(network) >= ATTACK;
    const here = waitAfter(this.#here, key, isAttack ? FREE_UNDER_ATTACK : FREE);
    return siteKey === undefined ? here : Math.max(here, waitAfter(this.#sites, siteKey, FREE_OF_SITE));
  }

  #fail({ key, account, network, siteKey }: Pair, mac: string): void {
    this.#here.add(key);
    if (siteKey !== undefined) this.#sites.add(siteKey);
    this.#accounts.add(account);
    this.#networks.add(network);
    const wrong = this.#wrong.get(key) ?? [];
    this.#wrong.delete(key);
    if (this.#wrong.size >= MOST_WRONG_KEYS) this.#wrong.delete(this.#wrong.keys().next().value ?? '');
    this.#wrong.set(key, [...wrong, mac].slice(-MOST_WRONG));
  }

  #isFamiliar({ account, network }: Pair): boolean {
    return this.#familiar.has(account, network);
  }

  /** An HMAC, so that a memory dump does not help to guess passwords: the key lives and dies with the process. */
  #mac({ key }: Pair, password: string, hash: string): string {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([key, hash, password]))
      .digest('base64');
  }

  #pause(milliseconds: number): Promise<void> {
    return this.#parts.pause?.(milliseconds) ?? sleep(milliseconds);
  }
}

interface Pair {
  readonly key: string;
  readonly account: string;
  readonly network: string;
  /** Key of the account in the IPv6 site of the network, if there is one. */
  readonly siteKey: string | undefined;
}

/** Returns the milliseconds until the next attempt under a key with `free` free failures. */
function waitAfter(failures: Failures, key: string, free: number): number {
  const over = failures.of(key) - free;
  if (over < 0) return 0;
  return Math.max(0, Math.min(FIRST_WAIT * 2 ** over, LONGEST_WAIT) - failures.since(key));
}

/** Maximum characters of an account in a key; no account name is as long. */
const LONGEST_ACCOUNT = 256;

function pairOf({ user, remote }: Pick<PasswordAttempt, 'user' | 'remote'>): Pair {
  const network = networkOf(remote);
  const account = user.slice(0, LONGEST_ACCOUNT);
  const site = siteOf(remote);
  return {
    network,
    account,
    key: `${network} ${account}`,
    siteKey: site && `${site} ${account}`,
  };
}
