import koffi from 'koffi';

let trim: ReturnType<ReturnType<typeof koffi.load>['func']> | undefined;

/**
 * Gives memory that the C library holds and nobody uses back to the kernel (malloc_trim(3)), on another thread. Does nothing
 * where the C library has no such call.
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
