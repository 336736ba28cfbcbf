import type { Socket } from 'node:net';

/** The descriptor of what Node has open, such as a socket; undefined where Node does not tell. */
export function handleDescriptor(owner: object): number | undefined {
  const handle = '_handle' in owner ? owner._handle : undefined;
  const fd = typeof handle === 'object' && handle !== null && 'fd' in handle ? handle.fd : undefined;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}

/**
 * The descriptor of a socket whose bytes are those of its connection. Undefined for TLS, for a socket that was closed,
 * and where Node does not tell.
 */
export function plainDescriptor(socket: Socket | null): number | undefined {
  if (socket === null || socket.destroyed || 'encrypted' in socket) return undefined;
  return handleDescriptor(socket);
}
