import { closeSync, constants, openSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { ERRNO } from '../errno.ts';
import type { Libc } from '../libc.ts';

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0o2000000;
const MAX_PATH = 107;

/**
 * Connects to a SOCK_SEQPACKET socket, which Node does not support. The path may have any length. Returns the
 * descriptor, which the caller closes. Throws an Error when nobody listens there.
 */
export function connectSeqpacket(libc: Libc, path: string): number {
  const fd = libc.socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new Error(`socket(2) failed with error number ${libc.errno()}`);
  const long = Buffer.byteLength(path) > MAX_PATH;
  const directory = long ? openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY) : -1;
  try {
    const address = socketAddress(long ? `/proc/self/fd/${directory}/${basename(path)}` : path);
    while (libc.connect(fd, address, address.length) !== 0) {
      const errno = libc.errno();
      if (errno === ERRNO.EINTR) continue;
      throw new Error(`connecting to ${path} failed with error number ${errno}`);
    }
    return fd;
  } catch (error) {
    libc.close(fd);
    throw error;
  } finally {
    if (long) closeSync(directory);
  }
}

function socketAddress(path: string): Uint8Array {
  const address = Buffer.alloc(2 + MAX_PATH + 1);
  new Uint16Array(address.buffer, address.byteOffset, 1)[0] = AF_UNIX;
  address.write(path, 2, 'utf8');
  return address;
}
