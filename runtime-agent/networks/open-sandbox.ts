import { randomBytes } from 'node:crypto';
import { closeSync } from 'node:fs';
import { EngineError, isEngineError } from '../errors.ts';
import type { AddressBook } from './address-book.ts';
import { containerFiles, hostGatewayOf } from './container-files.ts';
import type { OpenedNetwork } from './container-networks.ts';
import type { ActiveEndpoint, EndpointSettings, Network } from './network.ts';
import { type NetworkContext, publishNames, publishNetworkEvent } from './network-context.ts';
import type { NetworkedContainer } from './networked-container.ts';
import { bridgeOptions } from './plan/bridge-options.ts';
import { gatewayOf, subnetOf, withPrefix } from './plan/ip-address.ts';
import {
  endpointMac,
  endpointSpec,
  gatewayEndpoint,
  linkName,
  planGateways,
} from './plan/place-container.ts';
import { planPorts } from './plan/port-bindings.ts';
import { dnsNames, ownLinks, publishedTargets, type Sandbox } from './sandbox.ts';

/** A network of a container, with its settings there. */
export interface Place {
  readonly network: Network;
  readonly settings: EndpointSettings;
}

/** Makes the namespace of a container, its endpoints and ports. See ContainerNetworks.open. */
export async function openSandbox(
  context: NetworkContext,
  container: NetworkedContainer,
  places: readonly Place[],
): Promise<OpenedNetwork> {
  const { endpoints, stale } = takeAll(context, container, places);
  const sandbox: Sandbox = {
    id: container.id,
    name: container.name,
    container,
    endpoints,
    ports: [],
    names: new Map(
      places.map(({ network, settings }) => [network.id, dnsNames(container, settings.aliases)]),
    ),
    links: new Map(places.map(({ network, settings }) => [network.id, ownLinks(settings)])),
    opening: Promise.resolve(),
    connected: false,
  };
  context.sandboxes.set(container.id, sandbox);
  publishNames(context, sandbox);
  const files = containerFiles(
    container,
    endpoints,
    context.resolvers.settings(),
    places.some(({ network }) => !network.predefined),
    hostGatewayOf(context.store.find('bridge')),
  );
  const published = publish(context, sandbox);
  const unlinked = stale.length === 0 ? undefined : context.kernel.run('unlink', { links: stale });
  const opened = context.kernel.run('open', {
    endpoints: places.flatMap(({ network }, index) => {
      const endpoint = endpoints[index];
      return endpoint === undefined ? [] : [endpointSpec(network, endpoint)];
    }),
    gateways: planGateways(endpoints),
  });
  const work = Promise.allSettled([opened, published, unlinked]);
  sandbox.opening = work;
  const [namespace, ports] = await work;
  if (namespace.status === 'rejected' || ports.status === 'rejected') {
    if (namespace.status === 'fulfilled') closeSync(namespace.value);
    throw failure(namespace, ports);
  }
  sandbox.connected = true;
  for (const { network } of endpoints) publishNetworkEvent(context, network, 'connect', container.id);
  const fd = namespace.value;
  const path = `/proc/${process.pid}/fd/${fd}`;
  // It takes the kernel longer than everything else, and the runtime need not wait for it.
  const ready = files.resolver ? openResolver(context, sandbox, path) : Promise.resolve();
  const settled = Promise.allSettled([ready]);
  sandbox.opening = settled;
  return {
    namespace: path,
    active: { endpoints, ports: sandbox.ports },
    files,
    ready,
    release: () => {
      void settled.then(() => closeSync(fd));
    },
  };
}

/** Starts a container's resolver in its namespace. */
export async function openResolver(
  context: NetworkContext,
  sandbox: Sandbox,
  namespace: string,
): Promise<void> {
  const sockets = await context.kernel.run('resolver', { namespace });
  context.dns.open(sandbox.id, sockets);
}

function takeAll(
  context: NetworkContext,
  container: NetworkedContainer,
  places: readonly Place[],
): { readonly endpoints: readonly ActiveEndpoint[]; readonly stale: readonly string[] } {
  const endpoints: ActiveEndpoint[] = [];
  const stale: string[] = [];
  try {
    for (const { network, settings } of places) {
      const taken = takeEndpoint(
        context.addresses,
        network,
        container.id,
        settings,
        `eth${endpoints.length}`,
      );
      endpoints.push(taken.endpoint);
      stale.push(...taken.stale);
    }
  } catch (error) {
    for (const endpoint of endpoints) releaseEndpoint(context.addresses, container.id, endpoint);
    throw error;
  }
  return { endpoints, stale };
}

/**
 * Publishes ports if the container has outside access; containers in internal networks only have none, as with dockerd.
 */
async function publish(context: NetworkContext, sandbox: Sandbox): Promise<void> {
  const outward = gatewayEndpoint(sandbox.endpoints, 4) ?? gatewayEndpoint(sandbox.endpoints, 6);
  if (outward === undefined) return;
  const { hostConfig, config } = sandbox.container;
  const network = context.store.byId(outward.network.id);
  const wishes = planPorts(
    {
      bindings: hostConfig.PortBindings,
      publishAll: hostConfig.PublishAllPorts,
      exposed: Object.keys(config.ExposedPorts ?? {}),
    },
    bridgeOptions(network?.options ?? {}).hostBinding,
  );
  if (wishes.length === 0) return;
  try {
    sandbox.ports = await context.publisher.publish(sandbox.id, wishes);
  } catch (error) {
    if (!isEngineError(error)) throw error;
    const where = `endpoint ${sandbox.name} (${outward.endpointId})`;
    throw new EngineError(
      error.code,
      `driver failed programming external connectivity on ${where}: ${error.message}`,
      { cause: error },
    );
  }
  await aimPorts(context, sandbox);
}

/** Points a container's ports to its outward endpoint. */
export async function aimPorts(context: NetworkContext, sandbox: Sandbox): Promise<void> {
  const { relay, targets } = publishedTargets(sandbox.endpoints, sandbox.ports);
  context.publisher.aim(sandbox.id, relay);
  await context.filter.setPorts(sandbox.id, targets);
}

function failure(...results: readonly PromiseSettledResult<unknown>[]): unknown {
  const reasons = results.flatMap((result) =>
    result.status === 'rejected' ? [result.reason as unknown] : [],
  );
  const [first] = reasons;
  const chosen = reasons.find((reason) => isEngineError(reason)) ?? first;
  if (isEngineError(chosen)) return chosen;
  return new EngineError('runtime', `the network cannot be set up: ${(chosen as Error).message}`, {
    cause: chosen,
  });
}

/** An endpoint with the links that must go before it is made. */
interface TakenEndpoint {
  readonly endpoint: ActiveEndpoint;
  readonly stale: readonly string[];
}

/** Takes addresses for a container's place in a network. Throws EngineError if they are unavailable. */
export function takeEndpoint(
  book: AddressBook,
  network: Network,
  container: string,
  settings: EndpointSettings,
  interfaceName: string,
): TakenEndpoint {
  const endpointId = randomBytes(32).toString('hex');
  const link = linkName(endpointId);
  const v4 = book.take(network, 4, container, settings.ipam?.IPv4Address);
  let v6: ReturnType<AddressBook['take']>;
  try {
    v6 = book.take(network, 6, container, settings.ipam?.IPv6Address);
  } catch (error) {
    if (v4 !== undefined) book.release(network.id, v4.address, container, link);
    throw error;
  }
  const place = (choice: typeof v4, family: 4 | 6) => {
    const subnet = subnetOf(network, family);
    if (choice === undefined || subnet === undefined) return { address: '', gateway: '' };
    return {
      address: withPrefix(choice.address, subnet),
      gateway: network.internal ? '' : gatewayOf(subnet),
    };
  };
  const four = place(v4, 4);
  const six = place(v6, 6);
  return {
    endpoint: {
      network: { id: network.id, name: network.name },
      endpointId,
      link,
      interface: interfaceName,
      mac: endpointMac(settings.mac, v4?.address ?? ''),
      ipv4: four.address,
      gateway4: four.gateway,
      ipv6: six.address,
      gateway6: six.gateway,
    },
    stale: [...(v4?.stale ?? []), ...(v6?.stale ?? [])],
  };
}

/** Returns an endpoint's addresses to the pool. */
export function releaseEndpoint(book: AddressBook, container: string, endpoint: ActiveEndpoint): void {
  for (const text of [endpoint.ipv4, endpoint.ipv6]) {
    const [address = ''] = text.split('/');
    if (address !== '') book.release(endpoint.network.id, address, container, endpoint.link);
  }
}
