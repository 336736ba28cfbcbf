import { randomBytes } from 'node:crypto';
import type { AddressBook } from './address-book.ts';
import type { ActiveEndpoint, EndpointSettings, Network } from './network.ts';
import { gatewayOf, subnetOf, withPrefix } from './plan/ip-address.ts';
import { endpointMac, linkName } from './plan/place-container.ts';

/** An endpoint with the links that must go before it is made. */
export interface TakenEndpoint {
  readonly endpoint: ActiveEndpoint;
  readonly stale: readonly string[];
}

/** Takes addresses for a container's place in a network. Throws EngineError where they are not to be had. */
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

/** Gives an endpoint's addresses back. */
export function releaseEndpoint(book: AddressBook, container: string, endpoint: ActiveEndpoint): void {
  for (const text of [endpoint.ipv4, endpoint.ipv6]) {
    const [address = ''] = text.split('/');
    if (address !== '') book.release(endpoint.network.id, address, container, endpoint.link);
  }
}
