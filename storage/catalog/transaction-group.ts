import { setImmediate as turn } from 'node:timers/promises';

/** Works that share one transaction at most: each of them waits for all. */
const MOST_SHARED = 16;

interface Entry<Trx> {
  readonly work: (trx: Trx) => Promise<unknown>;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Lets works that would wait for each other anyway, one connection being all there is, share a transaction: one after
 * another, so that each sees what those before it did, as if it had come after them in a transaction of its own. When
 * one of them throws, nothing has happened, and each is run again by itself.
 */
export class TransactionGroup<Trx> {
  readonly #transact: <T>(work: (trx: Trx) => Promise<T>) => Promise<T>;
  #waiting: Entry<Trx>[] = [];
  #running = false;

  /** `transact` runs work in a transaction, and again when the database wants that. */
  constructor(transact: <T>(work: (trx: Trx) => Promise<T>) => Promise<T>) {
    this.#transact = transact;
  }

  /** Resolves when `work`, which does nothing outside the database, has been committed. Throws what it throws. */
  run<T>(work: (trx: Trx) => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.push({ work, resolve: resolve as (result: unknown) => void, reject });
    if (!this.#running) void this.#runAll();
    return promise;
  }

  async #runAll(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) {
      // Whose requests came in the same turn of the event loop as the first one's is here then.
      await turn();
      const group = this.#waiting.splice(0, MOST_SHARED);
      if (!(await this.#runShared(group))) for (const entry of group) await this.#runAlone(entry);
    }
    this.#running = false;
  }

  /** False, and nothing has happened, when one of several failed. */
  async #runShared(group: readonly Entry<Trx>[]): Promise<boolean> {
    const [first] = group;
    if (first === undefined || group.length === 1) return false;
    try {
      const results = await this.#transact(async (trx) => {
        const done: unknown[] = [];
        for (const { work } of group) done.push(await work(trx));
        return done;
      });
      for (const [index, { resolve }] of group.entries()) resolve(results[index]);
      return true;
    } catch {
      return false;
    }
  }

  async #runAlone({ work, resolve, reject }: Entry<Trx>): Promise<void> {
    try {
      resolve(await this.#transact(work));
    } catch (error) {
      reject(error);
    }
  }
}
