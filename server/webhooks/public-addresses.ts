import { lookup } from 'node:dns';
import { lookup as lookupAll } from 'node:dns/promises';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { SettingInvalidError } from '../../auth/errors.ts';

/** Networks that are not public (IANA's registries of special-purpose addresses). */
const IPV4: readonly (readonly [network: string, prefix: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
];

/** In IPv6 only this range is public, except the parts that map to IPv4 or are for documentation. */
const IPV6_PUBLIC = ['2000::', 3] as const;
const IPV6: readonly (readonly [network: string, prefix: number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

const blocked = new BlockList();
for (const [network, prefix] of IPV4) blocked.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of IPV6) blocked.addSubnet(network, prefix, 'ipv6');
const handedOut = new BlockList();
handedOut.addSubnet(...IPV6_PUBLIC, 'ipv6');

/** Reports whether an address is public: neither this machine's nor of a private or special network. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !blocked.check(address, 'ipv4');
    case 6:
      return handedOut.check(address, 'ipv6') && !blocked.check(address, 'ipv6');
    default:
      return false;
  }
}

/** The refusal of an address. */
export class PrivateAddressError extends SettingInvalidError {
  constructor(host: string) {
    super(`${host} is not on the internet: berth serve --webhook-private on allows private addresses`);
  }
}

/** Refuses the URL of a receiver to which nothing would be sent. Throws PrivateAddressError. */
export type RefuseReceiver = (url: string) => Promise<void>;

/** Creates a RefuseReceiver; with `allowPrivate` it refuses none. */
export function createRefuseReceiver(allowPrivate: boolean): RefuseReceiver {
  return async (url) => {
    if (allowPrivate) return;
    const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
    const addresses = isIP(host) === 0 ? await addressesOf(host) : [host];
    // If there are several, a direct connection uses only the public ones.
    if (addresses.length > 0 && !addresses.some(isPublicAddress)) throw new PrivateAddressError(host);
  };
}

/**
 * Refuses a name with a private address, for connections by a proxy: the proxy looks the name up itself and may choose
 * any address. A name that cannot be resolved here is left to the proxy. Throws PrivateAddressError.
 */
export async function refusePrivateName(hostname: string): Promise<void> {
  const addresses = await addressesOf(hostname);
  if (!addresses.every(isPublicAddress)) throw new PrivateAddressError(hostname);
}

async function addressesOf(hostname: string): Promise<readonly string[]> {
  const found = await lookupAll(hostname, { all: true }).catch(() => []);
  return found.map(({ address }) => address);
}

/** Looks up a name for a connection, which then uses exactly the checked addresses: only public ones. */
export const lookupPublic: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, found) => {
    if (error !== null) {
      callback(error, '');
      return;
    }
    const addresses = found.filter(({ address }) => isPublicAddress(address));
    const [first] = addresses;
    if (first === undefined) callback(new PrivateAddressError(hostname), '');
    else if (options.all) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};
