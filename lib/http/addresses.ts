import { isIP } from 'node:net';

/**
 * Returns the key of a client for limits by address: an IPv4 address, also when it is written as an IPv6 address, or
 * the /64 network of an IPv6 address, because one machine has that whole network. Clients without a known address share
 * one key.
 */
export function networkOf(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  if (isIP(address) !== 6) return address;
  const groups = groupsOf(address);
  return mappedAddress(groups) ?? textOf(groups.slice(0, 4));
}

/** Returns the site (/48) of an IPv6 network; one customer may have all of its 65,536 networks. Undefined for IPv4. */
export function siteOf(address: string | undefined): string | undefined {
  if (address === undefined || isIP(address) !== 6) return undefined;
  const groups = groupsOf(address);
  return mappedAddress(groups) === undefined ? textOf(groups.slice(0, 3)) : undefined;
}

function textOf(groups: readonly number[]): string {
  return groups.map((group) => group.toString(16)).join(':');
}

/** Returns the IPv4 address in ::ffff:0:0/96 (RFC 4291, section 2.5.5.2); undefined for other addresses. */
function mappedAddress(groups: readonly number[]): string | undefined {
  const [high = 0, low = 0] = groups.slice(6);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  return isMapped ? [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.') : undefined;
}

/** Returns the eight numbers of an IPv6 address that isIP has accepted. */
function groupsOf(address: string): readonly number[] {
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::');
  const left = numbersOf(head);
  const right = numbersOf(tail ?? '');
  return [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
}

function numbersOf(text: string): readonly number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}

/**
 * Reports whether a host means this machine: the name `localhost`, or a loopback address, with or without the brackets
 * of a URL.
 */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').replace(/^::ffff:(?=127\.)/, '');
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));
}
