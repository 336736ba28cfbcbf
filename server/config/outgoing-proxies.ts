import {
  PROXY_FORM,
  type ProxySettings,
  parseProxy,
  proxyVariable,
} from '../../lib/http/proxies/proxy-settings.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';

/** Reads the proxies in HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in upper or lower case. Throws ConfigError. */
export function readOutgoingProxies(
  env: Readonly<Record<string, string | undefined>>,
): ProxySettings | undefined {
  const proxy = (name: 'HTTP_PROXY' | 'HTTPS_PROXY') => {
    const text = proxyVariable(env, name);
    if (text === '') return undefined;
    const url = parseProxy(text);
    if (url !== undefined) return url;
    throw new ConfigError(`the proxy of ${name} cannot be used: ${PROXY_FORM}`);
  };
  const http = proxy('HTTP_PROXY');
  const https = proxy('HTTPS_PROXY');
  if (http === undefined && https === undefined) return undefined;
  return { ...(http && { http }), ...(https && { https }), except: proxyVariable(env, 'NO_PROXY') };
}
