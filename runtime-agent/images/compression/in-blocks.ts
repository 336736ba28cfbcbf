import { availableParallelism } from 'node:os';

/** Splits content into blocks of `size` bytes, the last one shorter; nothing for empty content. */
export async function* inBlocks(content: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Buffer> {
  let waiting: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of content) {
    let rest = chunk;
    while (length + rest.length >= size) {
      const taken = size - length;
      yield Buffer.concat([...waiting, rest.subarray(0, taken)]);
      rest = rest.subarray(taken);
      waiting = [];
      length = 0;
    }
    if (rest.length > 0) waiting.push(rest);
    length += rest.length;
  }
  if (length > 0) yield Buffer.concat(waiting);
}

/** Maps values with `work` concurrently on all processors, preserving the order. */
export async function* sideBySide<In, Out>(
  values: AsyncIterable<In>,
  work: (value: In) => Promise<Out>,
): AsyncGenerator<Out> {
  const ahead = availableParallelism() + 1;
  const working: Promise<Out>[] = [];
  for await (const value of values) {
    const result = work(value);
    // Avoids an unhandled rejection of a later one that fails before its turn.
    result.catch(() => undefined);
    working.push(result);
    if (working.length === ahead) yield await (working.shift() as Promise<Out>);
  }
  for (const result of working) yield await result;
}
