/** Maximum values of a batch: parameters of one database query. */
const BATCH = 200;

/** Yields the values for which `isWanted` is true, in batches of at most 200. */
export async function* inBatches<T>(
  values: AsyncIterable<T>,
  isWanted: (value: T) => boolean,
): AsyncGenerator<readonly T[], void, undefined> {
  let batch: T[] = [];
  for await (const value of values) {
    if (!isWanted(value)) continue;
    batch.push(value);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
