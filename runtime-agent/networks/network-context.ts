import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import type { EventBus } from '../events/event-bus.ts';
import type { AddressBook } from './address-book.ts';
import type { DnsThread } from './dns/dns-thread.ts';
import type { HostLock } from './host-lock.ts';
import type { HostResolvers } from './host-resolvers.ts';
import type { NetworkKernel } from './kernel/kernel.ts';
import type { Network } from './network.ts';
import type { PacketFilter } from './packet-filter.ts';
import { bridgeSpec } from './plan/place-container.ts';
import type { PortPublisher } from './publish/port-publisher.ts';
import { dnsMember, type Sandbox } from './sandbox.ts';
import type { NetworkStore } from './state/network-store.ts';

/** Dependencies of all work on networks. */
export interface NetworkContext {
  readonly store: NetworkStore;
  readonly kernel: NetworkKernel;
  readonly filter: PacketFilter;
  readonly publisher: PortPublisher;
  readonly addresses: AddressBook;
  readonly resolvers: HostResolvers;
  readonly dns: DnsThread;
  readonly hostLock: HostLock;
  /** By the container's ID. */
  readonly sandboxes: Map<string, Sandbox>;
  readonly events: EventBus;
  readonly log: Logger;
}

/** Publishes an event of a network, and of the container that it concerns. */
export function publishNetworkEvent(
  { events }: NetworkContext,
  network: Pick<Network, 'id' | 'name'>,
  action: 'create' | 'connect' | 'disconnect' | 'destroy',
  container?: string,
): void {
  events.publish({
    type: 'network',
    action,
    id: network.id,
    attributes: {
      ...(container === undefined ? {} : { container }),
      name: network.name,
      type: 'bridge',
    },
  });
}

/** Returns the running containers of a network. */
export function membersOf({ sandboxes }: NetworkContext, network: string): readonly Sandbox[] {
  return [...sandboxes.values()].filter(({ endpoints }) =>
    endpoints.some((endpoint) => endpoint.network.id === network),
  );
}

/** Tells the resolvers how to find a container from now on. */
export function publishNames({ dns, store }: NetworkContext, sandbox: Sandbox): void {
  dns.know(dnsMember(sandbox, (network) => store.byId(network)?.predefined === false));
}

/**
 * Returns the networks whose bridges the kernel has now. The kernel is queried only if there are links with their
 * names, so that an agent without any starts no thread for it.
 */
export async function presentNetworks({
  store,
  kernel,
}: Pick<NetworkContext, 'store' | 'kernel'>): Promise<readonly Network[]> {
  const links = linkNames();
  const named = store.all().filter(({ driver, bridge }) => driver === 'bridge' && links.has(bridge));
  if (named.length === 0) return [];
  const present = new Set(await kernel.run('present-bridges', { bridges: named.map(bridgeSpec) }));
  return named.filter(({ bridge }) => present.has(bridge));
}

/** Links of this host. */
function linkNames(): ReadonlySet<string> {
  const text = readFileSync('/proc/self/net/dev', 'latin1');
  return new Set([...text.matchAll(/^ *([^:\s]+):/gm)].map(([, name = '']) => name));
}
