/**
 * Runs `work` on each item, at most `limit` at once. After a failure it starts no other; when the running ones have
 * ended, it throws the first failure.
 */
export async function concurrently<Item>(
  items: Iterable<Item> | AsyncIterable<Item>,
  limit: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  try {
    for await (const item of items) {
      if (failures.length > 0) break;
      const step: Promise<void> = work(item)
        .catch((error: unknown) => {
          failures.push(error);
        })
        .finally(() => running.delete(step));
      running.add(step);
      if (running.size >= limit) await Promise.race(running);
    }
  } finally {
    await Promise.all(running);
  }
  if (failures.length > 0) throw failures[0];
}

/**
 * Resolves when all have resolved. When one has failed, waits for all, then rejects with the first failure in their
 * order.
 */
export async function allDone(works: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(works)) {
    if (result.status === 'rejected') throw result.reason;
  }
}

/**
 * Runs `work` for all items concurrently, and returns the results in order. When one fails, the signal of the others
 * aborts with its error, which is thrown when all have ended; the reason of `signal` is thrown likewise.
 */
export async function allTogether<Item, Result>(
  items: readonly Item[],
  signal: AbortSignal,
  work: (item: Item, signal: AbortSignal) => Promise<Result>,
): Promise<readonly Result[]> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const results = await Promise.allSettled(
    items.map(async (item) => {
      try {
        return await work(item, either);
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    }),
  );
  signal.throwIfAborted();
  return results.map((result) => {
    // The first failure aborted the others, so its reason is theirs too.
    if (result.status === 'rejected') throw failed.signal.reason;
    return result.value;
  });
}
