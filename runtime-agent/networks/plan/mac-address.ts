import { EngineError } from '../../errors.ts';
import { addressBytes, parseAddress } from './ip-address.ts';

/** The MAC address that belongs to an IPv4 address, as Docker makes it: `02:42:` and its four bytes. */
export function macOf(ipv4: string): string {
  const address = parseAddress(ipv4);
  if (address === undefined) throw new Error(`${ipv4} is no address`);
  return formatMac([0x02, 0x42, ...addressBytes(address)]);
}

/** `02:42:ac:11:00:02` in lower case. Throws EngineError 'bad-request'. */
export function parseMac(text: string): string {
  if (!/^([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}$/.test(text)) {
    throw new EngineError('bad-request', `invalid MAC address: ${text.slice(0, 80)}`);
  }
  return text.toLowerCase().replaceAll('-', ':');
}

export function formatMac(bytes: Iterable<number>): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
