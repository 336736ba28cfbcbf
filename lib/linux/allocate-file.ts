import { promisify } from 'node:util';
import koffi from 'koffi';

/**
 * Allocates disk space for a file of `size` bytes (fallocate(2)). Returns false when the system or file system does not
 * support it, or has no space.
 */
export async function allocateFile(descriptor: number, size: number): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const fallocate = koffi.load(null).func('int fallocate(int fd, int mode, int64_t offset, int64_t length)');
  return (await promisify(fallocate.async)(descriptor, 0, 0, size)) === 0;
}
