import type { Subnet } from '../../networks/network.ts';
import type { NetworkWithMembers } from '../../networks/networks.ts';

/** A network (Engine API, NetworkInspect); lists omit its containers. */
export function networkView({ network, members }: NetworkWithMembers, showMembers: boolean): object {
  const containers = members.map(({ container, endpoint }) => [
    container.id,
    {
      Name: container.name,
      EndpointID: endpoint.endpointId,
      MacAddress: endpoint.mac,
      IPv4Address: endpoint.ipv4,
      IPv6Address: endpoint.ipv6,
    },
  ]);
  return {
    Name: network.name,
    Id: network.id,
    Created: network.createdAt,
    Scope: 'local',
    Driver: network.driver,
    EnableIPv6: network.enableIpv6,
    IPAM: {
      Driver: 'default',
      Options: network.ipamOptions,
      Config: network.driver === 'bridge' ? network.subnets.map(subnetView) : null,
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: showMembers ? Object.fromEntries(containers) : {},
    Options: network.options,
    Labels: network.labels,
  };
}

function subnetView({ subnet, range, gateway, auxiliary }: Subnet): object {
  return {
    Subnet: subnet,
    ...(range === undefined ? {} : { IPRange: range }),
    ...(gateway === undefined ? {} : { Gateway: gateway }),
    ...(auxiliary === undefined ? {} : { AuxiliaryAddresses: auxiliary }),
  };
}
