import { maskedProxy } from './proxy-settings.ts';

/** A proxy that cannot be reached, which `cause` is why, or that reaches its target not. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError';
  /** That of the cause, as errors of connections have it. */
  readonly code: string | undefined;
  /** `HOST:PORT` of the proxy. */
  readonly address: string;

  constructor(message: string, proxy: URL, cause?: Error) {
    super(message, { cause });
    this.code = (cause as NodeJS.ErrnoException | undefined)?.code;
    this.address = `${proxy.hostname}:${proxyPort(proxy)}`;
  }
}

/** The proxy wants a login, or another one than it was given; to try again is of no use. */
export class ProxyLoginError extends Error {
  override readonly name = 'ProxyLoginError';
}

export function proxyPort({ port, protocol }: URL): number {
  return Number(port) || (protocol === 'https:' ? 443 : 80);
}

/** The failure of a connection to a proxy. */
export function unreachableProxy(proxy: URL, cause: Error): ProxyError {
  return new ProxyError(`the proxy ${maskedProxy(proxy)} cannot be reached: ${cause.message}`, proxy, cause);
}

/** What a proxy's answer to a CONNECT means that is no success. A wrong login stays one, however often it is tried. */
export function refusalOfProxy(proxy: URL, status: number, reason: string, target: string): Error {
  const name = `the proxy ${maskedProxy(proxy)}`;
  // tinyproxy says 401 to a wrong login.
  if (status === 407 || status === 401) {
    return new ProxyLoginError(
      `${name} wants a login (it answers ${status}): give USER:PASSWORD@ before the host in its address`,
    );
  }
  const said = `${status} ${reason}`.trim().slice(0, 200);
  return new ProxyError(`${name} does not connect to ${target}: ${said}`, proxy);
}
