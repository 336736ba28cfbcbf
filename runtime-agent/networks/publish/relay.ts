import type { Protocol } from '../network.ts';
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

/** Listens at once. Rejects with the error of bind(2): EADDRINUSE, EADDRNOTAVAIL … */
export function openRelay(protocol: Protocol, hostIp: string, hostPort: number): Promise<Relay> {
  return protocol === 'tcp' ? openTcpRelay(hostIp, hostPort) : openUdpRelay(hostIp, hostPort);
}
