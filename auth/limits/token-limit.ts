import { networkOf } from '../../lib/http/addresses.ts';
import { type Identity, nameOf } from '../access/access.ts';
import { TooManyTokensError } from '../errors.ts';
import { TokenBuckets } from './token-buckets.ts';

const MINUTE = 60_000;
/** One address can be that of many: an office, a cluster. */
const ACCOUNTS_BEHIND_ADDRESS = 5;

/**
 * Limits requests for tokens by the account of the client or, without a login, by its address, so
 * that no client uses up the limit of another. Each process counts for itself.
 */
export class TokenLimit {
  readonly #networks: TokenBuckets;
  readonly #accounts: TokenBuckets;

  /** Of an account; an address may ask for five times as many. At once and then again in each minute. */
  constructor(perMinute: number, now?: () => number) {
    const byAddress = perMinute * ACCOUNTS_BEHIND_ADDRESS;
    this.#accounts = new TokenBuckets({ burst: perMinute, interval: MINUTE / perMinute }, now);
    this.#networks = new TokenBuckets({ burst: byAddress, interval: MINUTE / byAddress }, now);
  }

  /** Counts a request without a login. Throws TooManyTokensError. */
  countRequest(address: string | undefined): void {
    count(this.#networks, networkOf(address), 'from this address');
  }

  /** Counts a token for an account; nobody's are counted by their address alone. Throws TooManyTokensError. */
  countToken(identity: Identity): void {
    const name = nameOf(identity);
    if (name !== undefined) count(this.#accounts, `${identity.kind} ${name}`, 'by this account');
  }
}

function count(buckets: TokenBuckets, key: string, whose: string): void {
  const wait = buckets.wait(key);
  if (wait > 0) throw new TooManyTokensError(whose, Math.ceil(wait / 1000));
  buckets.take(key);
}
