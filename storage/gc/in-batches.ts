/** What one query is asked about at a time. */
const BATCH = 200;

/** The values that `isWanted`, up to 200 at a time. */
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
