import { isOwnBridge } from './kernel/is-own-bridge.ts';
import type { NetworkKernel } from './kernel/kernel.ts';
import type { Network } from './network.ts';
import { choosePool } from './plan/address-pools.ts';
import { defaultBridgeOptions } from './plan/bridge-options.ts';
import { type IpBlock, overlaps, parseBlock } from './plan/ip-address.ts';
import { bridgeSpec } from './plan/place-container.ts';

/** Routes that are wider than this say "everything", as those of some VPNs do, and not where a network is. */
const WIDEST = 8;

/** The blocks that the host has routes to. */
export async function hostRoutes(kernel: NetworkKernel): Promise<readonly IpBlock[]> {
  const routes = await kernel.run('routes', {});
  return routes.flatMap((text) => parseBlock(text) ?? []).filter(({ prefix }) => prefix >= WIDEST);
}

/**
 * The network `bridge` as it can be on this host now: its bridge has a name that nobody else has, and its subnet does not meet
 * a route of the host. For a bridge that is not there yet, or no container runs on.
 */
export async function settleDefaultBridge(
  kernel: NetworkKernel,
  network: Network,
  others: readonly Network[],
): Promise<Network> {
  const found = await kernel.run('find-link', { name: network.bridge });
  if (found !== undefined && isOwnBridge(found, bridgeSpec(network))) return network;
  const routes = await hostRoutes(kernel);
  const own = network.subnets.flatMap(({ subnet }) => parseBlock(subnet) ?? []);
  const meets = own.length === 0 || own.some((block) => routes.some((route) => overlaps(block, route)));
  const used = others.flatMap(({ subnets }) => subnets.flatMap(({ subnet }) => parseBlock(subnet) ?? []));
  const bridge = await freeName(kernel, network.bridge);
  return {
    ...network,
    bridge,
    options: defaultBridgeOptions(bridge),
    subnets: meets ? [choosePool([...used, ...routes])] : network.subnets,
  };
}

async function freeName(kernel: NetworkKernel, wanted: string): Promise<string> {
  for (let index = 0; ; index += 1) {
    const name = index === 0 ? wanted : `berth${index}`;
    if ((await kernel.run('find-link', { name })) === undefined) return name;
  }
}
