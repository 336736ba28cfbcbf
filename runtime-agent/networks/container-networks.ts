import type { ProcessIdentity } from '../../lib/linux/process/proc.ts';
import type { ActiveNetwork, EndpointSettings } from './network.ts';
import type { NetworkedContainer } from './networked-container.ts';
import type { HostsEntry } from './plan/etc-files.ts';

/** What a container that is being started gets. */
export interface OpenedNetwork {
  /** Path of the namespace; undefined: the runtime makes one that has loopback only. It is there for as long as `release` has not been called or the container's process holds it. */
  readonly namespace: string | undefined;
  readonly active: ActiveNetwork;
  readonly files: NetworkFiles;
  /** Settles when the container's process may run; it can be made before that. */
  readonly ready: Promise<void>;
  /** Lets go of the namespace: after that it lasts as long as the container's processes. */
  release(): void;
}

/** A container's /etc/hosts and /etc/resolv.conf. */
export interface NetworkFiles {
  readonly hosts: string;
  readonly resolvConf: string;
}

/** A running container as its networks need it: with its first process. */
export interface RunningContainer extends ProcessIdentity {
  readonly container: NetworkedContainer;
}

/** What the containers' life needs of networks. */
export interface ContainerNetworks {
  /**
   * Checks at its creation what a container wants of networks, and answers its `networks` with their right names. A network
   * that is not there is told at the start. Throws EngineError 'bad-request', 'not-implemented'.
   */
  admit(container: NetworkedContainer): NetworkedContainer['networks'];
  /**
   * Makes the namespace of a container that is being started, with its endpoints and published ports. Throws EngineError:
   * 'not-found' for a network, 'forbidden' for an address that is taken, 'runtime' for a port. `close` clears up after it.
   */
  open(container: NetworkedContainer): Promise<OpenedNetwork>;
  /** The files of a container that has the host's network, or none. */
  filesWithout(container: NetworkedContainer): NetworkFiles;
  /** Knows a container that has been running since before this agent; `restore` brings its network up to date. */
  adopt(running: RunningContainer, active: ActiveNetwork): void;
  /** Brings bridges, packet filter, resolvers and relays to what the adopted containers need. Never throws. */
  restore(): Promise<void>;
  /** Puts a running container into a further network. */
  join(running: RunningContainer, network: string, settings: EndpointSettings): Promise<JoinedNetwork>;
  /** Takes a running container out of a network. */
  leave(running: RunningContainer, network: string): Promise<LeftNetwork>;
  /** Throws EngineError 'not-found'. */
  nameOf(ref: string): string;
  /** The name of a network that a container may be put into, with these settings. Throws EngineError. */
  checkJoin(ref: string, settings: EndpointSettings): string;
  /** A container was renamed: others find it by its new name. */
  rename(container: string, name: string): void;
  /** Whether other containers find this one by its names has changed: see EndpointSettings.isWaiting. */
  refresh(container: NetworkedContainer): void;
  /** The container has ended, or its start has failed: nothing of its network is left. Content when there is none. */
  close(container: string): Promise<void>;
}

export interface JoinedNetwork {
  readonly active: ActiveNetwork;
  /** The lines to add to /etc/hosts. */
  readonly hosts: readonly HostsEntry[];
  /** The new /etc/resolv.conf, where it changes. */
  readonly resolvConf?: string;
}

export interface LeftNetwork {
  readonly active: ActiveNetwork;
  /** The addresses that have to go from /etc/hosts. */
  readonly addresses: readonly string[];
}
