import type { Link } from '../../../lib/linux/network/links.ts';
import type { NftAnswer } from '../../../lib/linux/network/nftables.ts';
import type { BridgeSpec, EndpointSpec, Gateways } from '../plan/place-container.ts';
import type { ForwardingSpec } from '../plan/ruleset.ts';

/** The kernel's part of networks. Jobs run in order, one at a time. */
export interface NetworkKernel {
  /** Throws an Error, with the kernel's `code` (`EEXIST`) if there is one; partial changes are reverted. */
  run<K extends JobKind>(kind: K, request: JobRequest<K>): Promise<JobAnswer<K>>;
  close(): Promise<void>;
}

/** The sockets of a container's resolver: descriptors, which the receiver closes. */
export interface ResolverSockets {
  readonly udp: number;
  readonly tcp: number;
}

export interface FilterAnswer extends NftAnswer {
  /** The generation of the filter after the commands. */
  readonly generation: number;
  /** True if nothing else changed the filter meanwhile. */
  readonly alone: boolean;
}

/** Jobs of the network thread, with their results. Namespaces are paths such as `/proc/1/ns/net`. */
interface NetworkJobs {
  /** Creates a namespace with its endpoints on existing bridges; returns its descriptor, which the receiver closes. */
  open: {
    readonly request: {
      readonly endpoints: readonly EndpointSpec[];
      readonly gateways: Gateways;
    };
    readonly answer: number;
  };
  /** Adds an endpoint to a namespace. */
  join: {
    readonly request: {
      readonly namespace: string;
      readonly endpoint: EndpointSpec;
      readonly gateways: Gateways;
    };
    readonly answer: undefined;
  };
  /** Removes an endpoint. */
  leave: {
    readonly request: {
      readonly namespace: string;
      readonly link: string;
      readonly gateways: Gateways;
    };
    readonly answer: undefined;
  };
  /** Opens the sockets of a resolver in a namespace. */
  resolver: { readonly request: { readonly namespace: string }; readonly answer: ResolverSockets };
  /** Creates missing bridges, and reattaches links to them. Returns the names of created ones. */
  bridges: {
    readonly request: {
      readonly bridges: readonly BridgeSpec[];
      readonly links: readonly Pick<EndpointSpec, 'link' | 'bridge' | 'isolated'>[];
    };
    readonly answer: readonly string[];
  };
  /** Removes a bridge, unless it has another owner. */
  'remove-bridge': {
    readonly request: Pick<BridgeSpec, 'name' | 'alias' | 'mac'>;
    readonly answer: undefined;
  };
  /** Returns the names of the existing bridges among these: the agent's own, and foreign ones that a client named. */
  'present-bridges': {
    readonly request: { readonly bridges: readonly BridgeSpec[] };
    readonly answer: readonly string[];
  };
  /** Finds the bridge or other link with a name; undefined if there is none. */
  'find-link': {
    readonly request: { readonly name: string };
    readonly answer: Pick<Link, 'alias' | 'mac'> | undefined;
  };
  unlink: { readonly request: { readonly links: readonly string[] }; readonly answer: undefined };
  /** Runs commands of nft(8) in the host's namespace. */
  filter: { readonly request: { readonly commands: string }; readonly answer: FilterAnswer };
  /** Returns the generation of the whole filter: the same as long as no table changes. */
  'filter-generation': { readonly request: Record<never, never>; readonly answer: number };
  /** Allows packets between these bridges and the rest, and nothing else that did not pass before. */
  forward: { readonly request: ForwardingSpec; readonly answer: Pick<FilterAnswer, 'generation'> };
  /** Destinations of the host's IPv4 routes. */
  routes: { readonly request: Record<never, never>; readonly answer: readonly string[] };
}

export type JobKind = keyof NetworkJobs;
export type JobRequest<K extends JobKind> = NetworkJobs[K]['request'];
export type JobAnswer<K extends JobKind> = NetworkJobs[K]['answer'];

/** One job on its way to the thread. */
export type JobMessage = {
  readonly [K in JobKind]: { readonly id: number; readonly kind: K; readonly request: JobRequest<K> };
}[JobKind];

/** Results of jobs. */
export type JobReport =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly failure: string; readonly code?: string };
