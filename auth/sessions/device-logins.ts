import { randomInt } from 'node:crypto';
import { networkOf, siteOf } from '../../lib/http/addresses.ts';
import { makePersonalToken } from '../administration/make-credential.ts';
import type { CredentialStore } from '../credentials/credential-store.ts';
import { hashSecret, makeSecret } from '../credentials/secret.ts';
import { EntryUnknownError, TooManyAttemptsError } from '../errors.ts';
import { TokenBuckets } from '../limits/token-buckets.ts';
import type { DeviceLogin, DeviceLoginStore } from './device-login-store.ts';

/** Milliseconds until an unconfirmed login expires. */
export const DEVICE_LOGIN_LIFE = 10 * 60 * 1000;
/** Poll interval of a terminal, seconds. */
export const POLL_INTERVAL = 2;

const MOST_WAITING = { inAll: 10_000, ofNetwork: 100 } as const;
/** Lifetime of the terminal's token, milliseconds. */
const TOKEN_LIFE = 90 * 24 * 60 * 60 * 1000;
/** Without vowels, so that codes form no words, and without letters that are easily confused (RFC 8628, 6.1). */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ';
const CODE_LENGTH = 8;

interface DeviceLoginStores {
  readonly credentials: CredentialStore;
  readonly deviceLogins: DeviceLoginStore;
}

/** The answer to a terminal that begins a login. */
export interface BegunDeviceLogin {
  readonly deviceCode: string;
  /** Such as `WDJB-MJHT`. */
  readonly userCode: string;
}

/** The answer to a terminal that polls (RFC 8628, section 3.5). */
export type DeviceAnswer =
  | { readonly kind: 'pending' | 'slow-down' | 'denied' | 'expired' }
  | { readonly kind: 'token'; readonly user: string; readonly secret: string };

/**
 * Logins of terminals (RFC 8628): the terminal shows a code, a logged-in person confirms it in a browser, and the
 * terminal gets a personal token of that person. A code works once and for ten minutes. Codes cannot be guessed: only
 * logged-in people may look them up, at a limited rate.
 */
export class DeviceLogins {
  readonly #store: DeviceLoginStores;
  readonly #now: () => number;
  readonly #begun = new TokenBuckets({ burst: 20, interval: 5_000 });
  /** Limits all networks of an IPv6 site together: one customer cannot fill the list and so evict others. */
  readonly #begunInSites = new TokenBuckets({ burst: 100, interval: 1_000 });
  readonly #polls = new TokenBuckets({ burst: 3, interval: POLL_INTERVAL * 1000 - 500 });
  readonly #guesses = new TokenBuckets({ burst: 20, interval: 15_000 });

  constructor(store: DeviceLoginStores, now: () => number = Date.now) {
    this.#store = store;
    this.#now = now;
  }

  /** `client` is the terminal's own name. Throws TooManyAttemptsError. */
  async begin(client: string, remote: string | undefined): Promise<BegunDeviceLogin> {
    const network = networkOf(remote);
    const site = siteOf(remote);
    refuseWaiting(
      Math.max(this.#begun.wait(network), site === undefined ? 0 : this.#begunInSites.wait(site)),
    );
    this.#begun.take(network);
    if (site !== undefined) this.#begunInSites.take(site);
    const deviceCode = makeSecret('dev');
    const userCode = makeUserCode();
    const now = this.#now();
    const login: DeviceLogin = {
      deviceHash: hashSecret(deviceCode),
      userCodeHash: hashUserCode(userCode),
      client,
      network,
      denied: false,
      expiresAt: new Date(now + DEVICE_LOGIN_LIFE),
    };
    await this.#store.deviceLogins.create(login, new Date(now), MOST_WAITING);
    return { deviceCode, userCode };
  }

  /** Polls for the terminal: returns a token once, after the login is confirmed. */
  async poll(deviceCode: string): Promise<DeviceAnswer> {
    const hash = hashSecret(deviceCode);
    const login = await this.#store.deviceLogins.find(hash);
    if (login === undefined || login.expiresAt.getTime() <= this.#now()) return { kind: 'expired' };
    if (this.#polls.wait(hash) > 0) return { kind: 'slow-down' };
    this.#polls.take(hash);
    if (!login.denied && login.account === undefined) return { kind: 'pending' };
    if (!(await this.#store.deviceLogins.take(hash))) return { kind: 'expired' };
    if (login.denied || login.account === undefined) return { kind: 'denied' };
    const expiresAt = new Date(this.#now() + TOKEN_LIFE);
    const { credentials } = this.#store;
    const { secret } = await makePersonalToken(credentials, login.account, login.client, { expiresAt });
    return { kind: 'token', user: login.account, secret };
  }

  /** Returns the pending login of a code, for the person who is to confirm it. Throws as `answer` does. */
  async find(userCode: string, account: string): Promise<DeviceLogin> {
    return this.#guess(account, async () => {
      const login = await this.#store.deviceLogins.findByUserCode(hashUserCode(userCode));
      return login !== undefined && login.expiresAt.getTime() > this.#now() ? login : undefined;
    });
  }

  /**
   * Confirms or denies the login of a code: yes gives the terminal a token of the account. Throws EntryUnknownError for
   * a code that is not pending, and TooManyAttemptsError after too many wrong codes.
   */
  async answer(userCode: string, account: string, says: 'yes' | 'no'): Promise<void> {
    await this.#guess(account, async () => {
      const { deviceLogins } = this.#store;
      const hash = hashUserCode(userCode);
      const now = new Date(this.#now());
      const done = await (says === 'yes'
        ? deviceLogins.confirm(hash, account, now)
        : deviceLogins.deny(hash, now));
      return done || undefined;
    });
  }

  async #guess<Found>(account: string, look: () => Promise<Found | undefined>): Promise<Found> {
    refuseWaiting(this.#guesses.wait(account));
    // Counted before the lookup, so that concurrent guesses count as well.
    this.#guesses.take(account);
    const found = await look();
    if (found === undefined) {
      throw new EntryUnknownError('no terminal waits for this code any more: start again there');
    }
    return found;
  }
}

function refuseWaiting(milliseconds: number): void {
  if (milliseconds > 0) throw new TooManyAttemptsError(Math.ceil(milliseconds / 1000));
}

function makeUserCode(): string {
  let code = '';
  while (code.length < CODE_LENGTH) code += LETTERS[randomInt(LETTERS.length)];
  return formatUserCode(code);
}

/** Formats a code as terminals show it, however it was typed. */
export function formatUserCode(text: string): string {
  const letters = lettersOf(text);
  return `${letters.slice(0, CODE_LENGTH / 2)}-${letters.slice(CODE_LENGTH / 2)}`;
}

function hashUserCode(userCode: string): string {
  return hashSecret(`user code ${lettersOf(userCode)}`);
}

function lettersOf(userCode: string): string {
  return userCode.toUpperCase().replace(/[^A-Z]/g, '');
}
