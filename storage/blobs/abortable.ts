/**
 * The values of `source`, until `signal` aborts: then it throws the signal's reason at once, even while
 * `source` stalls. The source is told to stop when reading ends early, but is not waited for.
 */
export async function* abortable<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void, undefined> {
  if (signal === undefined) {
    yield* source;
    return;
  }
  signal.throwIfAborted();
  const iterator = source[Symbol.asyncIterator]();
  // One listener for the whole stream: a race against a promise would add one for each value.
  let interrupt: (reason: unknown) => void = () => {};
  const onAbort = () => interrupt(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  let finished = false;
  try {
    for (;;) {
      const result = await new Promise<IteratorResult<T>>((resolve, reject) => {
        interrupt = reject;
        iterator.next().then(resolve, reject);
      });
      signal.throwIfAborted();
      if (result.done === true) {
        finished = true;
        return;
      }
      yield result.value;
      signal.throwIfAborted();
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    if (!finished) iterator.return?.().catch(() => {});
  }
}
