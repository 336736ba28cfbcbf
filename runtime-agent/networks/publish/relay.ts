import type { Protocol } from '../network.ts';
import type { SocketBudget } from './socket-budget.ts';
import { openTcpRelay } from './tcp-relay.ts';
import { openUdpRelay } from './udp-relay.ts';

/** Where a relay passes on to. */
export interface RelayTarget {
  readonly address: string;
  readonly port: number;
}

/** Listens on a port of the host and passes on what comes to a container's port, and what that answers. */
export interface Relay {
  /** From now on; without a target what comes is refused. */
  aim(target: RelayTarget | undefined): void;
  /** Connections under way are cut. */
  close(): Promise<void>;
}

/**
 * Listens at once. Takes the sockets of its connections from `connections`, and refuses connections for which it has none.
 * Rejects with the error of bind(2): EADDRINUSE, EADDRNOTAVAIL …
 */
export function openRelay(
  protocol: Protocol,
  hostIp: string,
  hostPort: number,
  connections: SocketBudget,
): Promise<Relay> {
  const open = protocol === 'tcp' ? openTcpRelay : openUdpRelay;
  return open(hostIp, hostPort, connections);
}
