/** A producer that cannot wait hands values to one consumer that can. */
export interface AsyncQueue<T> extends AsyncIterable<T> {
  push(value: T): void;
  /** The consumer ends after what was pushed; with an error it throws it then. */
  end(error?: unknown): void;
  /** Values that the consumer has not taken. */
  readonly size: number;
  /** Sum of their weights. */
  readonly weight: number;
}

/**
 * Makes an empty queue; unbounded, so the producer looks at `size`, or `weight`, where the consumer may be slow. `weigh` says
 * what a value weighs; without it each weighs 1.
 */
export function createAsyncQueue<T>(weigh: (value: T) => number = () => 1): AsyncQueue<T> {
  const values: T[] = [];
  let weight = 0;
  let ended = false;
  let failure: { readonly error: unknown } | undefined;
  let wake: (() => void) | undefined;
  const notify = () => {
    wake?.();
    wake = undefined;
  };
  return {
    push(value) {
      if (ended) return;
      values.push(value);
      weight += weigh(value);
      notify();
    },
    end(error) {
      if (ended) return;
      ended = true;
      if (error !== undefined) failure = { error };
      notify();
    },
    get size() {
      return values.length;
    },
    get weight() {
      return weight;
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (values.length > 0) {
          const value = values.shift() as T;
          weight -= weigh(value);
          yield value;
        }
        if (ended) {
          if (failure !== undefined) throw failure.error;
          return;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
