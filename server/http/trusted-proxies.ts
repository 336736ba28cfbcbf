import { BlockList, isIP } from 'node:net';

/** Which peers are proxies of this registry's own, whose forwarded headers are believed. */
export interface TrustedProxies {
  /** `address` as a socket gives it; an IPv4 address may come in the form `::ffff:10.0.0.1`. */
  includes(address: string | undefined): boolean;
}

export const NO_PROXIES: TrustedProxies = Object.freeze({ includes: () => false });

/**
 * Reads networks such as `10.0.0.0/8` and `fd00::/8`, and single addresses. Throws Error, with the text that is
 * neither in its message.
 */
export function parseTrustedProxies(networks: readonly string[]): TrustedProxies {
  if (networks.length === 0) return NO_PROXIES;
  const list = new BlockList();
  for (const text of networks) addNetwork(list, text);
  return Object.freeze({
    includes: (address: string | undefined) => {
      if (address === undefined) return false;
      const version = isIP(address);
      return version !== 0 && list.check(address, version === 6 ? 'ipv6' : 'ipv4');
    },
  });
}

function addNetwork(list: BlockList, text: string): void {
  const [, address = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  const most = version === 6 ? 128 : 32;
  const prefix = bits === undefined ? most : Number(bits);
  if (version === 0 || prefix > most) {
    throw new Error(`"${text}" is not a network: write it as 10.0.0.0/8, fd00::/8 or a single address`);
  }
  list.addSubnet(address, prefix, version === 6 ? 'ipv6' : 'ipv4');
}
