/**
 * Does `work` for all items side by side, and answers what they came to, in their order. When one fails the signal of the others
 * aborts with its error, which is thrown when all have ended; so is the reason of `signal`.
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
    // The first failure stopped the others; its reason is theirs too.
    if (result.status === 'rejected') throw failed.signal.reason;
    return result.value;
  });
}
