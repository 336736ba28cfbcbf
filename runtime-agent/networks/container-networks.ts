import type { ProcessIdentity } from '../../lib/linux/process/proc.ts';
import type { ActiveNetwork, EndpointSettings } from './network.ts';
import type { NetworkedContainer } from './networked-container.ts';
import type { HostsEntry } from './plan/etc-files.ts';

/** The network of a starting container. */
export interface OpenedNetwork {
  /**
   * Path of the namespace; undefined: the runtime makes one that has only loopback. It exists until `release` is called
   * and the container's process has ended.
   */
  readonly namespace: string | undefined;
  readonly active: ActiveNetwork;
  readonly files: NetworkFiles;
  /** Settles when the container's process may run; it can be made before that. */
  readonly ready: Promise<void>;
  /** Releases the namespace: after that it lasts as long as the container's processes. */
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

/** The networks, as the life cycle of containers uses them. */
export interface ContainerNetworks {
  /**
   * Validates a new container's networks, and returns its `networks` with canonical names. A missing network is
   * reported at the start. Throws EngineError 'bad-request', 'not-implemented'.
   */
  admit(container: NetworkedContainer): NetworkedContainer['networks'];
  /**
   * Creates the namespace of a starting container, with its endpoints and published ports. Throws EngineError:
   * 'not-found' for a network, 'forbidden' for a taken address, 'runtime' for a port. `close` cleans up after it.
   */
  open(container: NetworkedContainer): Promise<OpenedNetwork>;
  /** Returns the files of a container with the host's network, or without one. */
  filesWithout(container: NetworkedContainer): NetworkFiles;
  /** Knows a container that has been running since before this agent; `restore` brings its network up to date. */
  adopt(running: RunningContainer, active: ActiveNetwork): void;
  /** Restores bridges, packet filter, resolvers and relays for the adopted containers. Never throws. */
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
  /**
   * Removes everything of the network of a container that has ended, or failed to start. Succeeds when there is
   * nothing.
   */
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
