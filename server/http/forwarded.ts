import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** The registry's own proxies, whose forwarded headers are believed. */
export interface TrustedProxies {
  /** `address` is in a socket's form; an IPv4 address may have the form `::ffff:10.0.0.1`. */
  includes(address: string | undefined): boolean;
}

export const NO_PROXIES: TrustedProxies = Object.freeze({ includes: () => false });

/**
 * Parses networks such as `10.0.0.0/8` and `fd00::/8`, and single addresses. Throws Error, whose message quotes the
 * invalid text.
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

/** The address of the client, and its name for this server, as far as they can be trusted. */
export interface RequestOrigin {
  readonly protocol: 'http' | 'https';
  /** Host and port as the client wrote them; '' without a Host header. */
  readonly host: string;
  /** The client's address; undefined when the connection is gone. */
  readonly remote: string | undefined;
}

/**
 * Returns the origin of a request. Only a trusted proxy is believed, in `Forwarded` (RFC 7239) or in `X-Forwarded-For`,
 * `-Proto` and `-Host`. The client is the last address of the chain that is not a trusted proxy: anybody can make up
 * the ones before it. If all are trusted it is the first, the furthest away. Protocol and host are those of the first
 * element, which the outermost proxy wrote; in `Forwarded`, those of the element that names the client.
 *
 * A proxy that writes one kind of header may pass on the other kind as the client made it up, and nothing tells which
 * one it wrote. So if a request has both, a field counts only if both agree; otherwise the connection's own value counts.
 */
export function requestOrigin(req: IncomingMessage, trusted: TrustedProxies): RequestOrigin {
  const peer = req.socket.remoteAddress;
  const direct: RequestOrigin = {
    protocol: 'encrypted' in req.socket ? 'https' : 'http',
    host: req.headers.host ?? '',
    remote: peer,
  };
  if (!trusted.includes(peer)) return direct;
  const standard = byForwarded(textOf(req, 'forwarded'), trusted);
  const customary = byXForwarded(req, trusted);
  const { protocol, host, remote } =
    standard === undefined || customary === undefined
      ? (standard ?? customary ?? NOTHING)
      : agreement(standard, customary);
  return {
    protocol: protocol === 'https' || protocol === 'http' ? protocol : direct.protocol,
    host: isHost(host) ? host : direct.host,
    remote: remote || peer,
  };
}

/** The origin from one kind of header; '' for missing fields. */
interface StatedOrigin {
  readonly protocol: string;
  readonly host: string;
  readonly remote: string;
}

const NOTHING: StatedOrigin = { protocol: '', host: '', remote: '' };

function agreement(one: StatedOrigin, other: StatedOrigin): StatedOrigin {
  return {
    protocol: one.protocol === other.protocol ? one.protocol : '',
    host: one.host === other.host ? one.host : '',
    remote: one.remote === other.remote ? one.remote : '',
  };
}

/** Returns undefined without the header. */
function byForwarded(header: string, trusted: TrustedProxies): StatedOrigin | undefined {
  if (header === '') return undefined;
  const elements = parseForwarded(header);
  const { address = '', index } = clientOf(
    elements.map((element) => element.for),
    trusted,
  );
  // Without any `for`, the first element, that of the outermost proxy, counts.
  const named = elements.some((element) => element.for !== undefined) ? elements[index] : elements[0];
  return { protocol: named?.proto?.toLowerCase() ?? '', host: named?.host ?? '', remote: address };
}

/** Returns undefined without any of the three headers. */
function byXForwarded(req: IncomingMessage, trusted: TrustedProxies): StatedOrigin | undefined {
  const addresses = textOf(req, 'x-forwarded-for');
  const protocol = textOf(req, 'x-forwarded-proto');
  const host = textOf(req, 'x-forwarded-host');
  if (addresses + protocol + host === '') return undefined;
  return {
    protocol: firstOf(protocol).toLowerCase(),
    host: firstOf(host),
    remote: clientOf(addresses.split(','), trusted).address ?? '',
  };
}

/** Parses a Forwarded header, parameter names in lower case; invalid parts are ignored. */
export function parseForwarded(header: string): readonly Readonly<Record<string, string>>[] {
  const elements: Record<string, string>[] = [];
  for (const element of splitOutsideQuotes(header, ',')) {
    const parameters: Record<string, string> = Object.create(null);
    for (const pair of splitOutsideQuotes(element, ';')) {
      const match = /^\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*))\s*$/.exec(pair);
      if (match === null) continue;
      const [, name = '', quoted, plain = ''] = match;
      parameters[name.toLowerCase()] = quoted === undefined ? plain : quoted.replace(/\\(.)/g, '$1');
    }
    elements.push(parameters);
  }
  return elements;
}

/** Returns the client in a chain of addresses, and its position. */
function clientOf(
  chain: readonly (string | undefined)[],
  trusted: TrustedProxies,
): { readonly address?: string; readonly index: number } {
  let furthest: { readonly address?: string; readonly index: number } = { index: chain.length - 1 };
  // From the nearest on, up to the first unreadable one.
  for (let index = chain.length - 1; index >= 0; index -= 1) {
    const address = addressOf(chain[index]?.trim() ?? '');
    if (address === undefined) break;
    furthest = { address, index };
    if (!trusted.includes(address)) break;
  }
  return furthest;
}

/** Parses an address; some proxies append a port. */
function addressOf(text: string): string | undefined {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+)$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? text;
  return isIP(address) === 0 ? undefined : address;
}

function splitOutsideQuotes(text: string, separator: ',' | ';'): readonly string[] {
  const parts: string[] = [];
  let part = '';
  let quoted = false;
  for (let position = 0; position < text.length; position += 1) {
    const character = text[position] ?? '';
    if (quoted && character === '\\') {
      part += character + (text[position + 1] ?? '');
      position += 1;
      continue;
    }
    if (character === '"') quoted = !quoted;
    if (!quoted && character === separator) {
      parts.push(part);
      part = '';
    } else part += character;
  }
  parts.push(part);
  return parts;
}

/** Reports whether a text can stand in a URL between `://` and the path. */
export function isHost(text: string): boolean {
  const isHostShaped = /^(?:[0-9A-Za-z._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/.test(text);
  // The parser takes names such as `.0` for numbers, which they are not.
  return isHostShaped && URL.canParse(`http://${text}`);
}

function firstOf(list: string): string {
  return list.split(',')[0]?.trim() ?? '';
}

function textOf({ headers }: IncomingMessage, name: string): string {
  const value = headers[name];
  return (Array.isArray(value) ? value.join(',') : value) ?? '';
}
