import type { Network } from '../../../../runtime-agent/networks/network.ts';

/** A network as `docker network create` makes it. */
export function exampleNetwork(changes: Partial<Network> = {}): Network {
  return {
    id: 'a1'.repeat(32),
    name: 'sea',
    createdAt: '2026-01-02T03:04:05.000000000Z',
    driver: 'bridge',
    predefined: false,
    enableIpv6: false,
    internal: false,
    attachable: false,
    ipamOptions: {},
    subnets: [{ subnet: '172.18.0.0/16', gateway: '172.18.0.1' }],
    subnetChosen: false,
    options: {},
    labels: {},
    bridge: 'br-a1a1a1a1a1a1',
    ...changes,
  };
}
