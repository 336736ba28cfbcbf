import { networkOf } from '../../lib/http/addresses.ts';
import { RegistryError } from '../errors.ts';

/** Maximum concurrent readers. */
export interface ReaderCounts {
  readonly all: number;
  /** Maximum without a login, which leaves room for readers with one. */
  readonly anonymous: number;
  readonly perAccount: number;
  readonly perAddress: number;
}

const USUAL: ReaderCounts = { all: 1000, anonymous: 500, perAccount: 50, perAddress: 250 };
/** Time after which a reader who was refused may try again, s. */
const RETRY_AFTER = '30';

/** A client that wants to read. */
export interface NewReader {
  /** Undefined without a login. */
  readonly account: string | undefined;
  readonly address: string | undefined;
}

/** Bounds the readers of events: a stream costs memory and a connection for as long as it lasts. */
export class ReaderLimits {
  readonly #counts: ReaderCounts;
  readonly #held = new Map<string, number>();
  #all = 0;
  #anonymous = 0;

  constructor(counts: Partial<ReaderCounts> = {}) {
    this.#counts = { ...USUAL, ...counts };
  }

  /** Number of connected readers. */
  get size(): number {
    return this.#all;
  }

  /** Counts a reader; returns a function that ends it. Throws RegistryError: 429 for too many of one, 503 for too many of all. */
  enter({ account, address }: NewReader): () => void {
    const { all, anonymous, perAccount, perAddress } = this.#counts;
    const ofAddress = `address ${networkOf(address)}`;
    const ofAccount = account === undefined ? undefined : `account ${account}`;
    if (ofAccount !== undefined && this.#count(ofAccount) >= perAccount) throw tooManyOf('your account');
    if (this.#count(ofAddress) >= perAddress) throw tooManyOf('your address');
    const isFull = this.#all >= all || (ofAccount === undefined && this.#anonymous >= anonymous);
    if (isFull) {
      throw new RegistryError('TOO_MANY_CONNECTIONS', 'too many readers of events: try again soon', {
        headers: { 'Retry-After': RETRY_AFTER },
      });
    }
    const keys = ofAccount === undefined ? [ofAddress] : [ofAddress, ofAccount];
    const change = (by: 1 | -1) => {
      this.#all += by;
      if (ofAccount === undefined) this.#anonymous += by;
      for (const key of keys) {
        const count = this.#count(key) + by;
        if (count === 0) this.#held.delete(key);
        else this.#held.set(key, count);
      }
    };
    change(1);
    let isHeld = true;
    return () => {
      if (isHeld) change(-1);
      isHeld = false;
    };
  }

  #count(key: string): number {
    return this.#held.get(key) ?? 0;
  }
}

function tooManyOf(whom: string): RegistryError {
  return new RegistryError('TOO_MANY_REQUESTS', `too many streams of events of ${whom}: try again later`, {
    headers: { 'Retry-After': RETRY_AFTER },
  });
}
