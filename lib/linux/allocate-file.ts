import { promisify } from 'node:util';
import koffi from 'koffi';

/**
 * Makes a file have so many bytes with blocks of the device for all of them, fallocate(2). False where the system or the
 * file system has no such call, or no space.
 */
export async function allocateFile(descriptor: number, size: number): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const fallocate = koffi.load(null).func('int fallocate(int fd, int mode, int64_t offset, int64_t length)');
  return (await promisify(fallocate.async)(descriptor, 0, 0, size)) === 0;
}
