import { isLoopback } from '../is-loopback.ts';
import { parseNoProxy } from './no-proxy.ts';
import type { ProxySettings } from './proxy-settings.ts';

/** Returns the proxy for an address; undefined to connect directly. */
export type ChooseProxy = (url: URL) => URL | undefined;

/** Addresses of this host never go through a proxy, where they would mean the proxy's host. */
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
