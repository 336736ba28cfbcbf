import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { EngineError } from '../../errors.ts';
import type { Network, Subnet } from '../network.ts';

/** An IP address as a number, with its family. */
export interface IpAddress {
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** A block of addresses; `value` has no bit beyond the prefix. */
export interface IpBlock extends IpAddress {
  readonly prefix: number;
}

/** Returns undefined if the text is not an address. */
export function parseAddress(text: string): IpAddress | undefined {
  if (isIPv4(text)) {
    return { family: 4, value: text.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n) };
  }
  if (!isIPv6(text) || text.includes('%')) return undefined;
  return { family: 6, value: parseIpv6(text) };
}

/** Returns undefined if the text is not `address/bits`; the address may be anywhere in its block. */
export function parsePrefixed(
  text: string,
): { readonly address: IpAddress; readonly prefix: number } | undefined {
  const [ip = '', bits = '', ...rest] = text.split('/');
  const address = parseAddress(ip);
  if (address === undefined || rest.length > 0 || !/^\d{1,3}$/.test(bits)) return undefined;
  const prefix = Number(bits);
  return prefix > width(address.family) ? undefined : { address, prefix };
}

/** Returns the block of an address with a prefix length. Undefined if the text is invalid. */
export function parseBlock(text: string): IpBlock | undefined {
  const parsed = parsePrefixed(text);
  return parsed === undefined ? undefined : blockOf(parsed.address, parsed.prefix);
}

export function blockOf({ family, value }: IpAddress, prefix: number): IpBlock {
  const free = BigInt(width(family) - prefix);
  return { family, value: (value >> free) << free, prefix };
}

export function formatAddress({ family, value }: IpAddress): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.');
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16),
  );
  return new SocketAddress({ family: 'ipv6', address: groups.join(':') }).address;
}

export function formatBlock(block: IpBlock): string {
  return `${formatAddress(block)}/${block.prefix}`;
}

/** In network byte order: 4 or 16 bytes. */
export function addressBytes({ family, value }: IpAddress): Uint8Array {
  const digits = value.toString(16).padStart(width(family) / 4, '0');
  return Buffer.from(digits, 'hex');
}

export function addressFromBytes(bytes: Uint8Array): IpAddress {
  return {
    family: bytes.length === 4 ? 4 : 6,
    value: BigInt(`0x${Buffer.from(bytes).toString('hex')}`),
  };
}

/** Returns the number of addresses in a block. */
export function blockSize({ family, prefix }: IpBlock): bigint {
  return 1n << BigInt(width(family) - prefix);
}

export function contains(block: IpBlock, address: IpAddress): boolean {
  return address.family === block.family && blockOf(address, block.prefix).value === block.value;
}

export function overlaps(a: IpBlock, b: IpBlock): boolean {
  return a.prefix <= b.prefix ? contains(a, b) : contains(b, a);
}

function width(family: 4 | 6): number {
  return family === 4 ? 32 : 128;
}

function parseIpv6(text: string): bigint {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted !== null) {
    const last = parseAddress(dotted[2] ?? '')?.value ?? 0n;
    return parseIpv6(`${dotted[1]}${(last >> 16n).toString(16)}:${(last & 0xffffn).toString(16)}`);
  }
  const [head = '', tail] = text.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const zeros = Array<string>(tail === undefined ? 0 : 8 - before.length - after.length).fill('0');
  return [...before, ...zeros, ...after].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

/** Returns the bridge's own address in a subnet. */
export function gatewayOf({ gateway, subnet }: Subnet): string {
  if (gateway !== undefined) return gateway;
  const block = parseBlock(subnet);
  if (block === undefined) throw new Error(`${subnet} is not a subnet`);
  return formatAddress({ family: block.family, value: block.value + 1n });
}

/** Returns the network's subnet of an address family, if any. */
export function subnetOf(network: Network, family: 4 | 6): Subnet | undefined {
  return network.subnets.find(({ subnet }) => subnet.includes(':') === (family === 6));
}

/** Returns `172.18.0.2/16` for `172.18.0.2` in `172.18.0.0/16`. */
export function withPrefix(address: string, { subnet }: Subnet): string {
  return `${address}/${subnet.split('/')[1]}`;
}

/** Returns the MAC address that Docker derives from an IPv4 address: `02:42:` and its four bytes. */
export function macOf(ipv4: string): string {
  const address = parseAddress(ipv4);
  if (address === undefined) throw new Error(`${ipv4} is not an address`);
  return formatMac([0x02, 0x42, ...addressBytes(address)]);
}

/** Parses `02:42:ac:11:00:02` to lower case. Throws EngineError 'bad-request'. */
export function parseMac(text: string): string {
  if (!/^([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}$/.test(text)) {
    throw new EngineError('bad-request', `invalid MAC address: ${text.slice(0, 80)}`);
  }
  return text.toLowerCase().replaceAll('-', ':');
}

function formatMac(bytes: Iterable<number>): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
