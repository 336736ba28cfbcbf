import { EngineError } from '../../errors.ts';
import type { Subnet } from '../network.ts';
import {
  blockSize,
  contains,
  formatAddress,
  gatewayOf,
  type IpBlock,
  parseAddress,
  parseBlock,
} from './ip-address.ts';

/**
 * An address of the subnet for a container: the one that is wanted, or the lowest that is free in the range. `taken` are
 * addresses of other containers. Throws EngineError 'forbidden' where the wanted one is taken, 'runtime' where all are.
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

/** The network's own address and the one of all its members are no host's; blocks of one or two have neither (RFC 3021). */
function isEdge(block: IpBlock, value: bigint): boolean {
  const size = blockSize(block);
  if (size <= 2n) return false;
  return value === block.value || (block.family === 4 && value === block.value + size - 1n);
}

function parsed(text: string): IpBlock {
  const block = parseBlock(text);
  if (block === undefined) throw new Error(`${text} is no subnet`);
  return block;
}
