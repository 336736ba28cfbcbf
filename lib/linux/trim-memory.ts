import koffi from 'koffi';

let trim: ReturnType<ReturnType<typeof koffi.load>['func']> | undefined;

/**
 * Returns unused memory of the C library's heap to the kernel (malloc_trim(3)), on another thread. Does nothing where
 * the C library lacks the call.
 */
export async function trimMemory(): Promise<void> {
  try {
    trim ??= koffi.load(null).func('int malloc_trim(size_t pad)');
  } catch {
    return;
  }
  const call = trim;
  await new Promise<void>((resolve) => call.async(0, () => resolve()));
}
