/** The proxies towards the rest of the world. */
export interface ProxySettings {
  /** For `http:` addresses; undefined: none. */
  readonly http?: URL;
  /** For `https:` addresses; undefined: none. */
  readonly https?: URL;
  /** Who is reached without, as NO_PROXY has it. */
  readonly except: string;
}

/** Stands in for the login in an address that is shown, as in dockerd. */
const MASK = 'xxxxx:xxxxx@';

/** Reads `[http[s]://][USER:PASSWORD@]HOST[:PORT]`. Undefined for other text, and for proxies of other kinds. */
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

/** For messages about what parseProxy does not take; these name no address, which may hold a password. */
export const PROXY_FORM =
  'it takes http://HOST:PORT or https://HOST:PORT, with USER:PASSWORD@ before the host where the proxy wants a login';

/** Returns the value of HTTP_PROXY and similar variables, in upper or lower case; '' if unset. */
export function proxyVariable(
  environment: Readonly<Record<string, string | undefined>>,
  name: 'HTTP_PROXY' | 'HTTPS_PROXY' | 'NO_PROXY',
): string {
  return (environment[name] || environment[name.toLowerCase()] || '').trim();
}

/** The address of a proxy without its login. */
export function maskedProxy({ protocol, username, password, host }: URL): string {
  return `${protocol}//${username === '' && password === '' ? '' : MASK}${host}`;
}

/** The field that a proxy with a login is sent (RFC 9110, 11.7.2); none for others. */
export function proxyAuthorization({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '' && password === '') return {};
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(login).toString('base64')}` };
}

/**
 * The variables by which other programs, such as git and the helpers of logins, learn of the proxies; undefined: to be
 * unset. Some read capital letters alone, and curl small ones.
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
