import type { NetworkKernel } from './kernel/kernel.ts';
import type { Network } from './network.ts';
import { choosePool } from './plan/address-pools.ts';
import { defaultBridgeOptions } from './plan/bridge-options.ts';
import { type IpBlock, overlaps, parseBlock } from './plan/ip-address.ts';
import { bridgeSpec, isOwnBridge } from './plan/place-container.ts';

/** Minimum prefix length of a local route: wider routes, such as those of some VPNs, mean "everything". */
const WIDEST = 8;

/** Returns the blocks that the host has routes to. */
export async function hostRoutes(kernel: NetworkKernel): Promise<readonly IpBlock[]> {
  const routes = await kernel.run('routes', {});
  return routes.flatMap((text) => parseBlock(text) ?? []).filter(({ prefix }) => prefix >= WIDEST);
}

/**
 * Returns a bridge network adjusted to this host's current state: the bridge of the network `bridge` has a unique name,
 * and a subnet that no client chose overlaps no route of the host. For a network without running containers.
 */
export async function settleBridge(
  kernel: NetworkKernel,
  network: Network,
  others: readonly Network[],
): Promise<Network> {
  const found = await kernel.run('find-link', { name: network.bridge });
  if (found !== undefined && isOwnBridge(found, bridgeSpec(network))) return network;
  const subnets = network.subnetChosen ? network.subnets : await freeSubnets(kernel, network, others);
  if (!network.predefined) return subnets === network.subnets ? network : { ...network, subnets };
  const bridge = await freeName(kernel, network.bridge);
  return { ...network, bridge, options: defaultBridgeOptions(bridge), subnets };
}

async function freeSubnets(
  kernel: NetworkKernel,
  network: Network,
  others: readonly Network[],
): Promise<Network['subnets']> {
  const routes = await hostRoutes(kernel);
  const own = network.subnets.flatMap(({ subnet }) => parseBlock(subnet) ?? []);
  const meets = own.length === 0 || own.some((block) => routes.some((route) => overlaps(block, route)));
  if (!meets) return network.subnets;
  const used = others.flatMap(({ subnets }) => subnets.flatMap(({ subnet }) => parseBlock(subnet) ?? []));
  return [choosePool([...used, ...routes])];
}

async function freeName(kernel: NetworkKernel, wanted: string): Promise<string> {
  for (let index = 0; ; index += 1) {
    const name = index === 0 ? wanted : `berth${index}`;
    if ((await kernel.run('find-link', { name })) === undefined) return name;
  }
}
