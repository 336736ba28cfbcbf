import { networkOf } from '../../lib/http/addresses.ts';
import { type Identity, nameOf } from '../access/access.ts';
import { TooManyTokensError } from '../errors.ts';
import { TokenBuckets } from './token-buckets.ts';

const MINUTE = 60_000;
/** Factor for an address, which many accounts may share: an office, a cluster. */
const ACCOUNTS_BEHIND_ADDRESS = 5;

/**
 * Limits requests for tokens by the client's account or, without a login, by its address, so that no client uses up the
 * limit of another. Each process counts separately.
 */
export class TokenLimit {
  readonly #networks: TokenBuckets;
  readonly #accounts: TokenBuckets;

  /** Tokens per minute of an account, also as a burst; an address gets five times as many. */
  constructor(perMinute: number, now?: () => number) {
    const byAddress = perMinute * ACCOUNTS_BEHIND_ADDRESS;
    this.#accounts = new TokenBuckets({ burst: perMinute, interval: MINUTE / perMinute }, now);
    this.#networks = new TokenBuckets({ burst: byAddress, interval: MINUTE / byAddress }, now);
  }

  /** Counts a request without a login. Throws TooManyTokensError. */
  countRequest(address: string | undefined): void {
    count(this.#networks, networkOf(address), 'from this address');
  }

  /** Counts a token for an account; anonymous requests count only for their address. Throws TooManyTokensError. */
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
