/** Passes values from a producer that cannot wait to one consumer that can. */
export interface AsyncQueue<T> extends AsyncIterable<T> {
  push(value: T): void;
  /** Ends the queue after the pushed values; with an error the consumer then throws it. */
  end(error?: unknown): void;
  /** Values that the consumer has not taken. */
  readonly size: number;
  /** Sum of their weights. */
  readonly weight: number;
}

/**
 * Makes an empty queue. It is unbounded: with a slow consumer the producer checks `size` or `weight`. `weigh` returns
 * the weight of a value, 1 by default.
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
