/**
 * Values that hold for as long as nothing has changed. Bounded; all go when it is full, and when something has
 * changed.
 */
export class WhileUnchanged<Value> {
  readonly #version: () => number;
  readonly #limit: number;
  readonly #values = new Map<string, Value>();
  #current: number | undefined;

  /** `version` gives another number after any change by which a value may have become wrong. */
  constructor(version: () => number, limit = 1000) {
    this.#version = version;
    this.#limit = limit;
  }

  find(key: string): Value | undefined {
    if (this.#values.size === 0 || this.#version() !== this.#current) return undefined;
    return this.#values.get(key);
  }

  /** To be called before the value is found out; the function that it answers keeps it. */
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
