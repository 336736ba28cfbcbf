import type { Server } from 'node:net';
import { handleDescriptor } from '../../streams/handle-descriptor.ts';
import { loadLibc } from '../libc.ts';

/**
 * Makes the system ignore new connections to a listening server, which still accepts established ones: closing at once
 * would reset those that this process has not accepted yet. An ignored client repeats its SYN after a second, and
 * reaches the next process that listens or is refused. Does nothing on systems other than Linux.
 */
export function dropConnecting(server: Server): void {
  const descriptor = handleDescriptor(server);
  if (process.platform === 'linux' && descriptor !== undefined) loadLibc().dropConnecting(descriptor);
}
