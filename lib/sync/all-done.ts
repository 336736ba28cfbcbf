/** Resolves when all have resolved. Rejects with the first failure in their order, after all have ended. */
export async function allDone(works: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(works)) {
    if (result.status === 'rejected') throw result.reason;
  }
}
