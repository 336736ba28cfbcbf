import type { ProcessIdentity } from '../../lib/linux/process/proc.ts';
import type { ActiveNetwork, EndpointSettings } from './network.ts';
import type { NetworkedContainer } from './networked-container.ts';
import type { HostsEntry } from './plan/etc-files.ts';

/** The network of a starting container. */
export interface OpenedNetwork {
  /**
   * Path of the namespace; undefined if the runtime should make one that has only loopback. It exists until `release`
   * is called and the container's process has ended.
   */
  readonly namespace: string | undefined;
  readonly active: ActiveNetwork;
  readonly files: NetworkFiles;
  /** Settles when the container's process may run; it can be created before that. */
  readonly ready: Promise<void>;
  /** Releases the namespace: after that it lasts as long as the container's processes. */
  release(): void;
}

/** A container's /etc/hosts and /etc/resolv.conf. */
export interface NetworkFiles {
  readonly hosts: string;
  readonly resolvConf: string;
}

/** A running container, as its networks need it: with its first process. */
export interface RunningContainer extends ProcessIdentity {
  readonly container: NetworkedContainer;
}

/** The parts of networks that the life cycle of containers uses. */
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
  /** Takes over a container that has been running since before this agent; `restore` brings its network up to date. */
  adopt(running: RunningContainer, active: ActiveNetwork): void;
  /** Restores bridges, packet filter, resolvers and relays for the adopted containers. Never throws. */
  restore(): Promise<void>;
  /** Connects a running container to a further network. */
  join(running: RunningContainer, network: string, settings: EndpointSettings): Promise<JoinedNetwork>;
  /** Disconnects a running container from a network. */
  leave(running: RunningContainer, network: string): Promise<LeftNetwork>;
  /** Throws EngineError 'not-found'. */
  nameOf(ref: string): string;
  /** Returns the name of a network that a container may join with these settings. Throws EngineError. */
  checkJoin(ref: string, settings: EndpointSettings): string;
  /** Handles that a container was renamed: others find it by its new name. */
  rename(container: string, name: string): void;
  /** Handles a change of whether others resolve this container by its names: see EndpointSettings.isWaiting. */
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
  /** The new /etc/resolv.conf, if it changes. */
  readonly resolvConf?: string;
}

export interface LeftNetwork {
  readonly active: ActiveNetwork;
  /** The addresses to remove from /etc/hosts. */
  readonly addresses: readonly string[];
}
