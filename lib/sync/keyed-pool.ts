/** An object for each key, made at its first use and dropped when nobody uses it any more. */
export class KeyedPool<T> {
  readonly #make: () => T;
  readonly #used = new Map<string, { readonly value: T; users: number }>();

  constructor(make: () => T) {
    this.#make = make;
  }

  /** Runs `work` with the object of `key`, which all who run at the same time share. */
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
