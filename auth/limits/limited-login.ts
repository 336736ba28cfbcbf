import type { Identity } from '../access/identity.ts';
import type { AttemptContext } from '../authenticators/authenticator.ts';
import type { BasicCredentials } from '../authenticators/basic-credentials.ts';
import type { LoginMethod } from '../authenticators/login-method.ts';
import { Turnstile } from '../authenticators/turnstile.ts';
import { CredentialsInvalidError, TooManyAttemptsError } from '../errors.ts';
import { networkOf } from './network-of.ts';
import { type Rate, TokenBuckets } from './token-buckets.ts';

/** Of failed logins. */
const BY_NETWORK: Rate = { burst: 30, interval: 3_000 };
const BY_ACCOUNT: Rate = { burst: 60, interval: 10_000 };
const MOST_FRIENDS = 10_000;
/** Attempts from one network that are verified at the same time. */
const AT_ONCE = 8;

/**
 * Refuses those who have failed too often, before anything is verified: by the address, and by the account that they try,
 * wherever from. Nobody is locked out by what others do: an address from which an account has logged in is not counted
 * with the others that try it. Each process counts for itself.
 */
export class LimitedLogin implements LoginMethod {
  readonly #method: LoginMethod;
  readonly #networks: TokenBuckets;
  readonly #accounts: TokenBuckets;
  /** Accounts at addresses from which they have logged in. */
  readonly #friends = new Set<string>();
  /** Of the networks from which somebody is logging in. */
  readonly #queues = new Map<string, { readonly turnstile: Turnstile; length: number }>();

  constructor(method: LoginMethod, now?: () => number) {
    this.#method = method;
    this.#networks = new TokenBuckets(BY_NETWORK, now);
    this.#accounts = new TokenBuckets(BY_ACCOUNT, now);
  }

  /** Throws TooManyAttemptsError as well. */
  async logIn(credentials: BasicCredentials, context: AttemptContext): Promise<Identity | undefined> {
    const network = networkOf(context.remote);
    const queue = this.#queues.get(network) ?? { turnstile: new Turnstile(AT_ONCE), length: 0 };
    this.#queues.set(network, queue);
    queue.length += 1;
    try {
      // A few at a time: of many at once, most are looked at when it is known that the first have failed.
      return await queue.turnstile.run(() => this.#attempt(credentials, context, network), context.signal);
    } finally {
      queue.length -= 1;
      if (queue.length === 0) this.#queues.delete(network);
    }
  }

  async #attempt(
    credentials: BasicCredentials,
    context: AttemptContext,
    network: string,
  ): Promise<Identity | undefined> {
    const friend = `${network} ${credentials.user}`;
    const isFriend = this.#friends.has(friend);
    const byAccount = isFriend ? 0 : this.#accounts.wait(credentials.user);
    const wait = Math.max(this.#networks.wait(network), byAccount);
    if (wait > 0) throw new TooManyAttemptsError(Math.ceil(wait / 1000));
    try {
      const identity = await this.#method.logIn(credentials, context);
      if (identity !== undefined) this.#befriend(friend);
      return identity;
    } catch (error) {
      if (error instanceof CredentialsInvalidError) {
        this.#networks.take(network);
        if (!isFriend) this.#accounts.take(credentials.user);
      }
      throw error;
    }
  }

  #befriend(friend: string): void {
    if (this.#friends.has(friend)) return;
    if (this.#friends.size >= MOST_FRIENDS) this.#friends.clear();
    this.#friends.add(friend);
  }
}
