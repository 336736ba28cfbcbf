import { EngineError } from '../errors.ts';
import type { Network, Subnet } from './network.ts';
import {
  blockSize,
  contains,
  formatAddress,
  gatewayOf,
  type IpBlock,
  parseAddress,
  parseBlock,
  subnetOf,
} from './plan/ip-address.ts';

/** Milliseconds for which a link of an ended container may still exist. */
const COOLING = 5_000;

interface Released {
  readonly container: string;
  readonly link: string;
  /** By the monotonic clock, milliseconds. */
  readonly at: number;
}

/** An address with the links that must disappear before it is used. */
export interface Choice {
  readonly address: string;
  readonly stale: readonly string[];
}

/**
 * The addresses of a host's containers. A released address is not reused by another container for a while: the kernel
 * removes the links of an ended container asynchronously. The same container gets it again, as in Docker.
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

  /** Records an address that a container has had since before this agent. */
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

/** Returns the address that a container had until a moment ago. */
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

/**
 * Chooses an address of the subnet for a container: the requested one, or the lowest free one in the range. `taken` are
 * addresses of other containers. Throws EngineError 'forbidden' if the requested one is taken, 'runtime' if all are.
 */
export function chooseAddress(subnet: Subnet, taken: ReadonlySet<string>, wanted?: string): string {
  const block = parsed(subnet.subnet);
  const reserved = new Set(
    [gatewayOf(subnet), ...Object.values(subnet.auxiliary ?? {})]
      .map(parseAddress)
      .flatMap((address) => (address === undefined ? [] : [formatAddress(address)])),
  );
  if (wanted !== undefined) {
    const address = parseAddress(wanted);
    if (address === undefined || !contains(block, address)) {
      throw new EngineError(
        'bad-request',
        `Invalid address ${wanted}: It does not belong to any of this network's subnets`,
      );
    }
    const text = formatAddress(address);
    if (taken.has(text) || reserved.has(text)) throw new EngineError('forbidden', 'Address already in use');
    return text;
  }
  const range = subnet.range === undefined ? block : parsed(subnet.range);
  const end = range.value + blockSize(range);
  for (let value = range.value; value < end; value += 1n) {
    if (isEdge(block, value)) continue;
    const text = formatAddress({ family: block.family, value });
    if (!taken.has(text) && !reserved.has(text)) return text;
  }
  throw new EngineError(
    'runtime',
    `no available IPv${block.family} addresses on this network's address pools`,
  );
}

/**
 * The network address and the broadcast address are not host addresses; blocks of one or two have neither (RFC 3021).
 */
function isEdge(block: IpBlock, value: bigint): boolean {
  const size = blockSize(block);
  if (size <= 2n) return false;
  return value === block.value || (block.family === 4 && value === block.value + size - 1n);
}

function parsed(text: string): IpBlock {
  const block = parseBlock(text);
  if (block === undefined) throw new Error(`${text} is not a subnet`);
  return block;
}
