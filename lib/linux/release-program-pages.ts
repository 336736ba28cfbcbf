import { readFile } from 'node:fs/promises';
import koffi from 'koffi';

const MADV_DONTNEED = 4;

let madvise: ReturnType<ReturnType<typeof koffi.load>['func']> | undefined;

/**
 * Releases the pages of the program `file` that this process has mapped: half of Node's memory is code that only the
 * start needs. They stay in the page cache, so the next use maps them again without a read. Only read-only pages that
 * were never changed are released.
 */
export async function releaseProgramPages(file = process.execPath): Promise<void> {
  madvise ??= koffi.load(null).func('int madvise(uintptr_t address, size_t length, int advice)');
  for (const { begin, end } of unchanged(await readFile('/proc/self/smaps', 'utf8'), file)) {
    madvise(begin, Number(end - begin), MADV_DONTNEED);
  }
}

interface Range {
  readonly begin: bigint;
  readonly end: bigint;
}

/** Returns the private, read-only mappings of a file without modified pages, from the text of smaps. */
export function unchanged(smaps: string, file: string): readonly Range[] {
  const found: Range[] = [];
  let current: Range | undefined;
  for (const line of smaps.split('\n')) {
    // A mapping begins with its addresses, permissions, offset, device, inode and path; see proc_pid_maps(5).
    const [range = '', rights = '', , , , ...path] = line.split(/ +/);
    const [begin, end] = range.split('-');
    if (end !== undefined) {
      const isCandidate = path.join(' ') === file && /^r-[x-]p$/.test(rights);
      current = isCandidate ? { begin: BigInt(`0x${begin}`), end: BigInt(`0x${end}`) } : undefined;
    } else if (current !== undefined && /^Anonymous: +0 kB$/.test(line)) {
      found.push(current);
      current = undefined;
    }
  }
  return found;
}
