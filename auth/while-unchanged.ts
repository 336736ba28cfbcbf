/** Caches values until something changes. Bounded; it is emptied when it is full, and after a change. */
export class WhileUnchanged<Value> {
  readonly #version: () => number;
  readonly #limit: number;
  readonly #values = new Map<string, Value>();
  #current: number | undefined;

  /** `version` returns another number after any change that may invalidate a value. */
  constructor(version: () => number, limit = 1000) {
    this.#version = version;
    this.#limit = limit;
  }

  find(key: string): Value | undefined {
    if (this.#values.size === 0 || this.#version() !== this.#current) return undefined;
    return this.#values.get(key);
  }

  /** Called before the value is computed; returns the function that stores it. */
  begin(key: string): (value: Value) => void {
    const version = this.#version();
    return (value) => {
      if (this.#version() !== version) return;
      if (this.#current !== version || this.#values.size >= this.#limit) this.#values.clear();
      this.#current = version;
      this.#values.set(key, value);
    };
  }
}
