import type { Socket } from 'node:net';

/** Returns the descriptor of an open handle of Node, such as a socket; undefined when Node does not reveal it. */
export function handleDescriptor(owner: object): number | undefined {
  const handle = '_handle' in owner ? owner._handle : undefined;
  const fd = typeof handle === 'object' && handle !== null && 'fd' in handle ? handle.fd : undefined;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}

/**
 * Returns the descriptor of a plain socket. Undefined for TLS, for a closed socket, and when Node does not reveal it.
 */
export function plainDescriptor(socket: Socket | null): number | undefined {
  if (socket === null || socket.destroyed || 'encrypted' in socket) return undefined;
  return handleDescriptor(socket);
}
