import type { Network } from './network.ts';
import { chooseAddress } from './plan/choose-address.ts';
import { subnetOf } from './plan/ip-address.ts';

/** Milliseconds for which a link of a container that has ended may still be there. */
const COOLING = 5_000;

interface Released {
  readonly container: string;
  readonly link: string;
  /** By the monotonic clock, milliseconds. */
  readonly at: number;
}

/** An address with the links that must have gone before it is used. */
export interface Choice {
  readonly address: string;
  readonly stale: readonly string[];
}

/**
 * The addresses of a host's containers. One that was given back is not given to another container for a while: the kernel
 * takes the links of an ended container down in its own time. The container that had it gets it again, as in Docker.
 */
export class AddressBook {
  readonly #held = new Map<string, Set<string>>();
  readonly #released = new Map<string, Map<string, Released>>();

  /** Throws EngineError 'forbidden', 'runtime', 'bad-request'. */
  take(network: Network, family: 4 | 6, container: string, wanted?: string): Choice | undefined {
    const subnet = subnetOf(network, family);
    if (subnet === undefined || (family === 6 && !network.enableIpv6)) return undefined;
    const held = entry(this.#held, network.id, () => new Set<string>());
    const released = this.#cooling(network.id);
    const address = wanted
      ? chooseAddress(subnet, held, wanted)
      : (lastOf(released, container, held, family) ?? this.#coolest(subnet, held, released));
    held.add(address);
    const before = released.get(address);
    released.delete(address);
    return { address, stale: before === undefined ? [] : [before.link] };
  }

  /** Notes an address that a container has since before this agent. */
  adopt(network: string, address: string): void {
    entry(this.#held, network, () => new Set<string>()).add(address);
  }

  release(network: string, address: string, container: string, link: string): void {
    this.#held.get(network)?.delete(address);
    entry(this.#released, network, () => new Map<string, Released>()).set(address, {
      container,
      link,
      at: performance.now(),
    });
  }

  forget(network: string): void {
    this.#held.delete(network);
    this.#released.delete(network);
  }

  #coolest(
    subnet: Parameters<typeof chooseAddress>[0],
    held: ReadonlySet<string>,
    released: ReadonlyMap<string, Released>,
  ): string {
    if (released.size === 0) return chooseAddress(subnet, held);
    try {
      return chooseAddress(subnet, new Set([...held, ...released.keys()]));
    } catch {
      return chooseAddress(subnet, held);
    }
  }

  #cooling(network: string): Map<string, Released> {
    const released = entry(this.#released, network, () => new Map<string, Released>());
    const limit = performance.now() - COOLING;
    for (const [address, { at }] of released) if (at < limit) released.delete(address);
    return released;
  }
}

/** The address that a container had until a moment ago. */
function lastOf(
  released: ReadonlyMap<string, Released>,
  container: string,
  held: ReadonlySet<string>,
  family: 4 | 6,
): string | undefined {
  for (const [address, { container: owner }] of released) {
    if (owner === container && !held.has(address) && address.includes(':') === (family === 6)) return address;
  }
  return undefined;
}

function entry<V>(map: Map<string, V>, key: string, make: () => V): V {
  const found = map.get(key) ?? make();
  map.set(key, found);
  return found;
}
