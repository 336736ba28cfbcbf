import { RegistryError } from '../errors.ts';

/** Maximum pending long polls of one account, and of all. */
const EACH = 100;
const ALL = 2_000;

/** Counts long polls, so that no client makes the registry poll for thousands. */
export class WaitingPolls {
  readonly #each: number;
  readonly #all: number;
  readonly #waiting = new Map<string, number>();
  #count = 0;

  constructor(each = EACH, all = ALL) {
    this.#each = each;
    this.#all = all;
  }

  /** Counts a poll of an account while `work` lasts. Throws RegistryError when there are too many. */
  async during<Result>(account: string, work: () => Promise<Result>): Promise<Result> {
    const own = this.#waiting.get(account) ?? 0;
    if (own >= this.#each || this.#count >= this.#all) {
      throw new RegistryError('TOO_MANY_REQUESTS', 'too many requests wait for rollouts: try again soon', {
        headers: { 'Retry-After': '5' },
      });
    }
    this.#count += 1;
    this.#waiting.set(account, own + 1);
    try {
      return await work();
    } finally {
      this.#count -= 1;
      const left = (this.#waiting.get(account) ?? 1) - 1;
      if (left === 0) this.#waiting.delete(account);
      else this.#waiting.set(account, left);
    }
  }
}
