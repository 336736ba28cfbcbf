import type { NetworkUse } from '../service.ts';
import { quote } from './compose-error.ts';
import type { Field } from './field.ts';
import { KEYS } from './keys.ts';

export function readNetworkMode(field: Field): 'host' | 'none' | undefined {
  const mode = field.string();
  if (mode === undefined || mode === 'bridge' || mode === 'default') return undefined;
  if (mode === 'host' || mode === 'none') return mode;
  return field.refuse(`${quote(mode)} is not supported: use host or none, or networks`);
}

const CONTAINER_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/;

/** Reads `networks` of a service. Its `container_name` is an alias in each network, as in Compose. */
export function readNetworkUses(service: Field): readonly NetworkUse[] {
  const name = service.get('container_name').string();
  if (name !== undefined && !CONTAINER_NAME.test(name))
    service.get('container_name').refuse(`${quote(name)} is not the name of a container`);
  const uses = readUses(service.get('networks'));
  return name === undefined
    ? uses
    : uses.map((use) => ({ ...use, aliases: [...new Set([...use.aliases, name])] }));
}

function readUses(field: Field): readonly NetworkUse[] {
  const items = field.isList ? field.list() : field.entries();
  const uses = items.flatMap((item) => {
    const network = field.isList ? item.string() : item.key;
    if (network === undefined) return item.isPresent ? [] : (item.refuse('must be a name') ?? []);
    const aliases = field.isList ? [] : item.mapping(KEYS['service network']).get('aliases').strings();
    return [{ network, aliases }];
  });
  return uses.length === 0 ? [{ network: 'default', aliases: [] }] : uses;
}

/** Reads `HOST:IP` or `HOST=IP`, also with `[::1]`; returns the Engine API's form, `HOST:IP`. */
export function readExtraHosts(field: Field): readonly string[] {
  if (field.isList) {
    return field.list().flatMap((item) => {
      const text = item.string() ?? '';
      const separator = text.includes('=') ? '=' : ':';
      const at = text.indexOf(separator);
      return at < 0
        ? (item.refuse('must be HOST=IP') ?? [])
        : hosts(item, text.slice(0, at), text.slice(at + 1));
    });
  }
  return field.entries().flatMap((item) => item.stringOrStrings().flatMap((ip) => hosts(item, item.key, ip)));
}

function hosts(item: Field, name: string, ips: string): readonly string[] {
  const isName = /^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})$/.test(name);
  if (!isName) return item.refuse(`${quote(name)} is not the name of a host`) ?? [];
  return ips.split(',').flatMap((text) => {
    const ip = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
    const isAddress = ip === 'host-gateway' || (ip !== '' && /^[0-9A-Fa-f:.]{1,45}$/.test(ip));
    return isAddress ? [`${name}:${ip}`] : (item.refuse(`${quote(text)} is not an IP address`) ?? []);
  });
}
