import { getSystemErrorMessage } from 'node:util';
import type { Libc } from '../libc.ts';

const AF_INET = 2;
const STREAM = 1;
const DATAGRAM = 2;
const NON_BLOCKING = 0o4000;
const CLOSE_ON_EXEC = 0o2000000;
const BACKLOG = 128;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;

/**
 * Opens a socket on an IPv4 address in the thread's current namespace, and returns its descriptor, of which Node's
 * sockets can be made. Throws an Error.
 */
export function listenOn(libc: Libc, kind: 'tcp' | 'udp', address: readonly number[], port: number): number {
  const type = kind === 'tcp' ? STREAM : DATAGRAM;
  const fd = libc.socket(AF_INET, type | NON_BLOCKING | CLOSE_ON_EXEC, 0);
  if (fd < 0) throw failure(kind, port, libc.errno());
  // A previous agent may have left connections in TIME_WAIT.
  libc.setOption(fd, SOL_SOCKET, SO_REUSEADDR, Buffer.from([1, 0, 0, 0]));
  const name = Buffer.alloc(16);
  name.writeUInt16LE(AF_INET, 0);
  name.writeUInt16BE(port, 2);
  name.set(address, 4);
  const bound = libc.bind(fd, name, name.length) === 0 && (kind === 'udp' || libc.listen(fd, BACKLOG) === 0);
  if (bound) return fd;
  const errno = libc.errno();
  libc.close(fd);
  throw failure(kind, port, errno);
}

function failure(kind: string, port: number, errno: number): Error {
  return new Error(`the resolver's ${kind} port ${port} cannot be opened: ${getSystemErrorMessage(-errno)}`);
}
