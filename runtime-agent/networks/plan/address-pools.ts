import { EngineError } from '../../errors.ts';
import { formatAddress, formatBlock, type IpBlock, overlaps, parseBlock } from './ip-address.ts';

/** Docker's own order: 172.17/16 to 172.31/16, then 192.168 in parts of 4096 addresses. */
const POOLS: readonly IpBlock[] = [
  ...Array.from({ length: 15 }, (_, index) => block(`172.${17 + index}.0.0/16`)),
  ...Array.from({ length: 16 }, (_, index) => block(`192.168.${16 * index}.0/20`)),
];

/**
 * Returns the first block that overlaps none of `taken`, with its first address for the bridge. Throws EngineError
 * 'not-found'.
 */
export function choosePool(taken: readonly IpBlock[]): { readonly subnet: string; readonly gateway: string } {
  const free = POOLS.find((pool) => !taken.some((other) => overlaps(pool, other)));
  if (free === undefined) {
    throw new EngineError(
      'not-found',
      'could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network: give it one with --subnet',
    );
  }
  return { subnet: formatBlock(free), gateway: formatAddress({ ...free, value: free.value + 1n }) };
}

function block(text: string): IpBlock {
  const parsed = parseBlock(text);
  if (parsed === undefined) throw new Error(`${text} is not a block`);
  return parsed;
}
