import { BlockList, isIP } from 'node:net';
import { isLoopback } from '../addresses.ts';
import type { ProxySettings } from './proxy-settings.ts';

/** Returns the proxy for an address; undefined to connect directly. */
export type ChooseProxy = (url: URL) => URL | undefined;

/**
 * Returns the function that chooses the proxy. Loopback addresses never go through a proxy: there they would mean the
 * proxy's own host.
 */
export function chooseProxy(settings: ProxySettings | undefined): ChooseProxy {
  if (settings === undefined) return () => undefined;
  const { http, https, except } = settings;
  const isExcepted = parseNoProxy(except);
  return ({ protocol, hostname, port }) => {
    const proxy = protocol === 'https:' ? https : http;
    const host = hostname.replace(/^\[|\]$/g, '');
    if (proxy === undefined || isLoopback(host)) return undefined;
    return isExcepted(host, port || (protocol === 'https:' ? '443' : '80')) ? undefined : proxy;
  };
}

/** Reports whether an address is reached without a proxy. `host` has no brackets. */
type Rule = (host: string, port: string) => boolean;

const NEVER: Rule = () => false;

/**
 * Parses NO_PROXY as Go's programs do, so that one value serves all programs on a host. A word is a name, which
 * includes its subdomains; `.name` for the subdomains alone; an address; a network such as 10.0.0.0/8; or `*` for every
 * host. Every word except a network may end in `:PORT`. Any other word matches nothing.
 */
function parseNoProxy(text: string): Rule {
  const words = text.split(',').map((word) => word.trim().toLowerCase());
  if (words.includes('*')) return () => true;
  const rules = words.map(readRule);
  return (host, port) => rules.some((rule) => rule(host.toLowerCase(), port));
}

function readRule(word: string): Rule {
  const [, network = '', prefix = ''] = /^([^/]+)\/(\d{1,3})$/.exec(word) ?? [];
  if (network !== '') return networkRule(network, Number(prefix));
  const [, bracketed, named, onlyPort = ''] =
    /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(word) ?? (isIP(word) === 6 ? [word, word] : []);
  const name = (bracketed ?? named ?? '').replace(/^\*\./, '.');
  if (name === '') return NEVER;
  const hasPort = (port: string) => onlyPort === '' || port === onlyPort;
  if (isIP(name) !== 0) {
    const isSame = networkRule(name, isIP(name) === 4 ? 32 : 128);
    return (host, port) => isSame(host, port) && hasPort(port);
  }
  const suffix = name.startsWith('.') ? name : `.${name}`;
  return (host, port) => (host === name || host.endsWith(suffix)) && hasPort(port);
}

function networkRule(network: string, prefix: number): Rule {
  const family = isIP(network);
  if (family === 0 || prefix > (family === 4 ? 32 : 128)) return NEVER;
  const list = new BlockList();
  list.addSubnet(network, prefix, familyName(family));
  return (host) => isIP(host) !== 0 && list.check(host, familyName(isIP(host)));
}

function familyName(family: number): 'ipv4' | 'ipv6' {
  return family === 4 ? 'ipv4' : 'ipv6';
}
