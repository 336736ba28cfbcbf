/** Admits a fixed number of holders; the others wait in order. */
export class Semaphore {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(places: number) {
    this.#free = places;
  }

  /** Whether a new holder would have to wait. */
  get isFull(): boolean {
    return this.#free === 0;
  }

  /** Runs `work` as a holder. Rejects with the signal's reason when that aborts while it waits. */
  async hold<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const release = await this.take(signal);
    try {
      return await work();
    } finally {
      release();
    }
  }

  /** Resolves to a release function, which is idempotent. Rejects as `hold` does. */
  async take(signal: AbortSignal): Promise<() => void> {
    await this.#enter(signal);
    let isHeld = true;
    return () => {
      if (isHeld) this.#leave();
      isHeld = false;
    };
  }

  async #enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    const turn = Promise.withResolvers<void>();
    const abort = () => {
      this.#waiting.delete(turn.resolve);
      turn.reject(signal.reason);
    };
    this.#waiting.add(turn.resolve);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await turn.promise;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Passes the place to the next waiter, without freeing it in between. */
  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#free++;
    else {
      this.#waiting.delete(next);
      next();
    }
  }
}

/** An object for each key, created at its first use and dropped after its last. */
export class KeyedPool<T> {
  readonly #make: () => T;
  readonly #used = new Map<string, { readonly value: T; users: number }>();

  constructor(make: () => T) {
    this.#make = make;
  }

  /** Runs `work` with the object of `key`, which concurrent callers share. */
  async use<R>(key: string, work: (value: T) => Promise<R>): Promise<R> {
    const entry = this.#used.get(key) ?? { value: this.#make(), users: 0 };
    this.#used.set(key, entry);
    entry.users += 1;
    try {
      return await work(entry.value);
    } finally {
      entry.users -= 1;
      if (entry.users === 0) this.#used.delete(key);
    }
  }
}

/** Runs work for one key at a time, in the order of the calls; different keys run concurrently. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<unknown>>();

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const mine = (async () => {
      await before?.catch(() => undefined);
      return await work();
    })();
    this.#tails.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#tails.get(key) === mine) this.#tails.delete(key);
    }
  }
}
