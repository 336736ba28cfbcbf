import koffi from 'koffi';
import { SystemCallError } from '../mount-library.ts';

const CLOSE_ON_EXEC = 1;

let create: ((name: string, flags: number) => number) | undefined;

/**
 * A file that has no name in any file system and goes with its last descriptor (memfd_create(2)). The caller closes the one
 * that is answered. `name` is for /proc only.
 */
export function openMemoryFile(name: string): number {
  create ??= koffi.load(null).func('int memfd_create(const char *name, unsigned int flags)');
  const fd = create(name, CLOSE_ON_EXEC);
  if (fd < 0) throw new SystemCallError('a file in memory cannot be made', koffi.errno());
  return fd;
}
