/** A producer that cannot wait hands values to one consumer that can. */
export interface AsyncQueue<T> extends AsyncIterable<T> {
  push(value: T): void;
  /** The consumer ends after what was pushed; with an error it throws it then. */
  end(error?: unknown): void;
  /** Values that the consumer has not taken. */
  readonly size: number;
}

/** Makes an empty queue; unbounded, so whoever pushes looks at `size` where the consumer may be slow. */
export function createAsyncQueue<T>(): AsyncQueue<T> {
  const values: T[] = [];
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
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (values.length > 0) yield values.shift() as T;
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
