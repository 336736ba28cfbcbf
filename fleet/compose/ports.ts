import { isIP } from 'node:net';
import type { PublishedPort } from '../service.ts';
import { quote } from './compose-error.ts';
import type { Field } from './field.ts';
import { KEYS } from './keys.ts';

/** Maximum ports of one service, with ranges expanded. */
const MOST_PORTS = 200;
const FORM = 'must be [[IP:]PUBLISHED:]PORT[/PROTOCOL], such as 8080:80';

/** Reads `ports`, in the short form (`127.0.0.1:8080:80/tcp`, also ranges) or the long one. */
export function readPorts(ports: Field): readonly PublishedPort[] {
  const found: PublishedPort[] = [];
  for (const item of ports.list()) {
    const read = item.isObject ? readLongPort(item) : readShortPort(item);
    found.push(...read);
    if (found.length > MOST_PORTS) {
      ports.refuse(`has more than ${MOST_PORTS} ports`);
      return [];
    }
    const clash = read.find((port) => found.some((other) => other !== port && portsClash(port, other)));
    if (clash !== undefined) item.refuse(`port ${clash.published} is published twice`);
  }
  return found;
}

/** Reports whether two ports cannot both be published on one host. */
export function portsClash(one: PublishedPort, other: PublishedPort): boolean {
  if (one.published === undefined || one.published !== other.published) return false;
  if (one.protocol !== other.protocol) return false;
  return one.hostIp === other.hostIp || isWildcard(one.hostIp) || isWildcard(other.hostIp);
}

function isWildcard(hostIp: string | undefined): boolean {
  return hostIp === undefined || hostIp === '0.0.0.0' || hostIp === '::';
}

function readLongPort(item: Field): readonly PublishedPort[] {
  const port = item.mapping(KEYS.port);
  const target = port.get('target').integer(1, 65_535);
  if (!port.get('target').isPresent) port.refuse('target is missing: it is the port of the instance');
  const published = port.get('published').value === '' ? undefined : readPublished(port.get('published'));
  const hostIp = port.get('host_ip').string();
  if (hostIp !== undefined && hostIp !== '' && isIP(hostIp) === 0)
    port.get('host_ip').refuse('must be an IP address');
  const protocol = port.get('protocol').oneOf(['tcp', 'udp']) ?? 'tcp';
  return target === undefined ? [] : [makePort(target, published, hostIp, protocol)];
}

function readPublished(field: Field): number | undefined {
  if (typeof field.value === 'string' && field.value.includes('-')) {
    return field.refuse('must be one port: the host cannot choose from a range');
  }
  return field.integer(1, 65_535);
}

function readShortPort(item: Field): readonly PublishedPort[] {
  const text = item.text();
  if (text === undefined) return item.isPresent ? [] : (item.refuse(FORM) ?? []);
  const slash = text.indexOf('/');
  const protocol = slash < 0 ? 'tcp' : text.slice(slash + 1).toLowerCase();
  if (protocol !== 'tcp' && protocol !== 'udp') {
    return item.refuse(`protocol ${quote(protocol)} is not supported: use tcp or udp`) ?? [];
  }
  const address = slash < 0 ? text : text.slice(0, slash);
  const colon = address.lastIndexOf(':');
  const targets = parseRange(address.slice(colon + 1));
  if (targets === undefined) return item.refuse(FORM) ?? [];
  if (colon < 0) return targets.map((target) => makePort(target, undefined, undefined, protocol));

  const before = address.slice(0, colon);
  const second = before.lastIndexOf(':');
  const host = second < 0 ? undefined : before.slice(0, second);
  const hostIp = host?.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
  if (hostIp !== undefined && isIP(hostIp) === 0) {
    return item.refuse(`${quote(hostIp)} must be an IP address`) ?? [];
  }
  const publishedText = before.slice(second + 1);
  if (publishedText === '') return targets.map((target) => makePort(target, undefined, hostIp, protocol));
  const published = parseRange(publishedText);
  if (published === undefined) return item.refuse(FORM) ?? [];
  if (published.length !== targets.length) {
    return item.refuse('the ranges of published ports and of ports differ in length') ?? [];
  }
  return targets.map((target, index) => makePort(target, published[index], hostIp, protocol));
}

function makePort(
  target: number,
  published: number | undefined,
  hostIp: string | undefined,
  protocol: PublishedPort['protocol'],
): PublishedPort {
  return {
    target,
    ...(published === undefined ? {} : { published }),
    ...(hostIp === undefined || hostIp === '' ? {} : { hostIp }),
    protocol,
  };
}

/** Parses `80` or `80-85`; undefined for any other text, and for more than MOST_PORTS. */
function parseRange(text: string): readonly number[] | undefined {
  const dash = text.indexOf('-');
  const first = parsePort(dash < 0 ? text : text.slice(0, dash));
  const last = dash < 0 ? first : parsePort(text.slice(dash + 1));
  if (first === undefined || last === undefined || last < first || last - first >= MOST_PORTS)
    return undefined;
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function parsePort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}
