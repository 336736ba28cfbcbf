/** The proxies for outgoing requests. */
export interface ProxySettings {
  /** For `http:` addresses; undefined for none. */
  readonly http?: URL;
  /** For `https:` addresses; undefined for none. */
  readonly https?: URL;
  /** Hosts that are reached without a proxy, in the syntax of NO_PROXY. */
  readonly except: string;
}

/** Replaces the login in an address that is shown, as dockerd does. */
const MASK = 'xxxxx:xxxxx@';

/**
 * Parses `[http[s]://][USER:PASSWORD@]HOST[:PORT]`. Returns undefined for other text and for other kinds of proxies.
 */
export function parseProxy(text: string): URL | undefined {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '') return undefined;
  try {
    decodeURIComponent(`${url.username}${url.password}`);
  } catch {
    return undefined;
  }
  return url;
}

/** The syntax that parseProxy takes, for error messages. They never quote the address, which may hold a password. */
export const PROXY_FORM =
  'it takes http://HOST:PORT or https://HOST:PORT, with USER:PASSWORD@ before the host if the proxy needs a login';

/** Returns the value of HTTP_PROXY and similar variables, in upper or lower case; '' if unset. */
export function proxyVariable(
  environment: Readonly<Record<string, string | undefined>>,
  name: 'HTTP_PROXY' | 'HTTPS_PROXY' | 'NO_PROXY',
): string {
  return (environment[name] || environment[name.toLowerCase()] || '').trim();
}

/** Returns the address of a proxy without its login. */
export function maskedProxy({ protocol, username, password, host }: URL): string {
  return `${protocol}//${username === '' && password === '' ? '' : MASK}${host}`;
}

/** Returns the Proxy-Authorization header (RFC 9110, 11.7.2) for a proxy with a login; no header for others. */
export function proxyAuthorization({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '' && password === '') return {};
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(login).toString('base64')}` };
}

/**
 * Returns the environment variables that tell other programs, such as git and credential helpers, about the proxies;
 * undefined means unset. Both cases are set: some programs read upper case only, curl lower case only.
 */
export function proxyEnvironment({
  http,
  https,
  except,
}: ProxySettings): Readonly<Record<string, string | undefined>> {
  return {
    HTTP_PROXY: http?.href,
    http_proxy: http?.href,
    HTTPS_PROXY: https?.href,
    https_proxy: https?.href,
    NO_PROXY: except || undefined,
    no_proxy: except || undefined,
  };
}
