import { isIPv6 } from 'node:net';

/**
 * What stands for a client in limits: its address, of IPv6 the network of 64 bits, which one machine has to itself.
 * Clients without a known address share one.
 */
export function networkOf(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  return isIPv6(address) ? groupsOf(address).slice(0, 4).join(':') : address;
}

/** Returns the site (/48) of an IPv6 network; one customer may have all of its 65,536 networks. Undefined for IPv4. */
export function siteOf(address: string | undefined): string | undefined {
  if (address === undefined || !isIPv6(address) || /^::ffff:\d+\./i.test(address)) return undefined;
  return groupsOf(address).slice(0, 3).join(':');
}

function groupsOf(address: string): readonly string[] {
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const middle = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  return [...left, ...new Array<string>(middle).fill('0'), ...right].map((group) =>
    Number.parseInt(group, 16).toString(16),
  );
}
