import { isLoopback } from '../is-loopback.ts';
import { parseNoProxy } from './no-proxy.ts';
import type { ProxySettings } from './proxy-settings.ts';

/** The proxy by which an address is reached; undefined: directly. */
export type ChooseProxy = (url: URL) => URL | undefined;

/** What is on this host is never asked for by a proxy, which would look for it on its own. */
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
