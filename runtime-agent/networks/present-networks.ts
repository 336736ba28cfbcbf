import { readFileSync } from 'node:fs';
import type { Network } from './network.ts';
import type { NetworkContext } from './network-context.ts';
import { bridgeSpec } from './plan/place-container.ts';

/**
 * The networks whose bridges the kernel has now. The kernel is asked only where there are links with their names, so that an agent without
 * any starts no thread for it.
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

/** Of this host. */
function linkNames(): ReadonlySet<string> {
  const text = readFileSync('/proc/self/net/dev', 'latin1');
  return new Set([...text.matchAll(/^ *([^:\s]+):/gm)].map(([, name = '']) => name));
}
