import type { ActiveEndpoint, Network } from './network.ts';
import type { NetworkRequest } from './plan/new-network.ts';

/** A network with the running containers that are in it. */
export interface NetworkWithMembers {
  readonly network: Network;
  readonly members: readonly NetworkMember[];
}

export interface NetworkMember {
  readonly container: { readonly id: string; readonly name: string };
  readonly endpoint: ActiveEndpoint;
}

/**
 * The networks of this host. `ref` is an ID, a name or a unique prefix of an ID; a missing one throws EngineError
 * 'not-found' (`network x not found`). Events go to the EventBus.
 */
export interface Networks {
  /**
   * Returns the ID. Throws EngineError 'bad-request', 'conflict' (name), 'forbidden' (subnet, predefined),
   * 'not-implemented'.
   */
  create(request: NetworkRequest): Promise<string>;
  /** Ordered by name. */
  list(): readonly NetworkWithMembers[];
  get(ref: string): NetworkWithMembers;
  /** Throws 'forbidden' while containers run in it, and for predefined networks. */
  remove(ref: string): Promise<void>;
  /** Problems of this host's networking, each as a sentence for `docker info`. */
  warnings(): Promise<readonly string[]>;
  /** Removes matching networks without running containers; returns their names. */
  prune(matches: (network: Network) => boolean): Promise<readonly string[]>;
}
