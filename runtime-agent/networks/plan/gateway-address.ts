import type { Network, Subnet } from '../network.ts';
import { formatAddress, parseBlock } from './ip-address.ts';

/** The bridge's own address in a subnet. */
export function gatewayOf({ gateway, subnet }: Subnet): string {
  if (gateway !== undefined) return gateway;
  const block = parseBlock(subnet);
  if (block === undefined) throw new Error(`${subnet} is no subnet`);
  return formatAddress({ family: block.family, value: block.value + 1n });
}

/** The subnet of a family, if the network has one. */
export function subnetOf(network: Network, family: 4 | 6): Subnet | undefined {
  return network.subnets.find(({ subnet }) => subnet.includes(':') === (family === 6));
}

/** `172.18.0.2` in `172.18.0.0/16` is `172.18.0.2/16`. */
export function withPrefix(address: string, { subnet }: Subnet): string {
  return `${address}/${subnet.split('/')[1]}`;
}
