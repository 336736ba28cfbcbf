import type { Socket } from 'node:net';
import { handleDescriptor } from '../../lib/streams/handle-descriptor.ts';

/**
 * The descriptor of a socket whose bytes are those of its connection. Undefined for TLS, for a socket that was closed,
 * and where Node does not tell.
 */
export function plainDescriptor(socket: Socket | null): number | undefined {
  if (socket === null || socket.destroyed || 'encrypted' in socket) return undefined;
  return handleDescriptor(socket);
}
