/**
 * Passes values on and calls `close` once, when they have ended, failed, or their reader has stopped; even if it has
 * not read anything, which a generator would not notice.
 */
export function closing<T>(values: AsyncIterable<T>, close: () => Promise<void>): AsyncIterableIterator<T> {
  const iterator = values[Symbol.asyncIterator]();
  let closed: Promise<void> | undefined;
  const closeOnce = () => {
    closed ??= close();
    return closed;
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: async () => {
      try {
        const step = await iterator.next();
        if (step.done) await closeOnce();
        return step;
      } catch (error) {
        await closeOnce();
        throw error;
      }
    },
    return: async () => {
      try {
        await iterator.return?.();
      } finally {
        await closeOnce();
      }
      return { done: true, value: undefined };
    },
  };
}
