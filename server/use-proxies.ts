import { http as nodeHttp } from '../lib/http/node-http.ts';
import type { ProxySettings } from '../lib/http/proxies/proxy-settings.ts';

/** This machine, and the metadata services of clouds, which provide credentials. */
const NEVER = ['localhost', '127.0.0.1', '::1', '[::1]', '169.254.169.254', '169.254.170.2'];

/**
 * Makes all requests of this process use the proxies, except code that opens its own connections (S3, webhooks). Node
 * does not support networks among the exceptions.
 */
export function useProxies({ http, https, except }: ProxySettings): void {
  const names = except
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.includes('*')) return;
  // A name includes its subdomains.
  const below = names
    .filter((name) => /^[a-z0-9]/i.test(name) && !name.includes('/'))
    .map((name) => `.${name}`);
  nodeHttp.setGlobalProxyFromEnv({
    ...(http && { HTTP_PROXY: http.href }),
    ...(https && { HTTPS_PROXY: https.href }),
    NO_PROXY: [...names, ...below, ...NEVER].join(','),
  });
}
