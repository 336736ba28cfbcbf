import type { Server } from 'node:net';
import { loadLibc } from '../lib/linux/libc.ts';
import { handleDescriptor } from '../lib/streams/handle-descriptor.ts';

/**
 * Has the system answer nobody any more who wants to connect, while everybody who has connected is still accepted:
 * closing at once would reset those of whom this process has not heard yet. Who is not answered asks again after a
 * second, and is refused or taken by the next process that listens. Does nothing on systems other than Linux.
 */
export function dropConnecting(server: Server): void {
  const descriptor = handleDescriptor(server);
  if (process.platform === 'linux' && descriptor !== undefined) loadLibc().dropConnecting(descriptor);
}
