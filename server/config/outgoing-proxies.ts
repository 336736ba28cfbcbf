import { type ProxySettings, parseProxy } from '../../storage/proxies/proxy-settings.ts';
import { ConfigError } from './config-error.ts';

/** The proxies that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name, in capital or small letters. Throws ConfigError. */
export function readOutgoingProxies(
  env: Readonly<Record<string, string | undefined>>,
): ProxySettings | undefined {
  const value = (name: string) => (env[name] || env[name.toLowerCase()] || '').trim();
  const proxy = (name: string) => {
    if (value(name) === '') return undefined;
    const url = parseProxy(value(name));
    if (url !== undefined) return url;
    // It may hold a password, which the message does not repeat.
    throw new ConfigError(
      `what ${name} names is no proxy that can be used: it takes http://HOST:PORT or https://HOST:PORT, with ` +
        'USER:PASSWORD@ before the host where the proxy wants a login',
    );
  };
  const http = proxy('HTTP_PROXY');
  const https = proxy('HTTPS_PROXY');
  if (http === undefined && https === undefined) return undefined;
  return { ...(http && { http }), ...(https && { https }), except: value('NO_PROXY') };
}
