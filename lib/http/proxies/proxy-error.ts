import { maskedProxy } from './proxy-settings.ts';

/** The proxy cannot be reached (`cause` says why), or cannot reach the target. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError';
  /** The code of `cause`, such as ECONNREFUSED. */
  readonly code: string | undefined;
  /** `HOST:PORT` of the proxy. */
  readonly address: string;

  constructor(message: string, proxy: URL, cause?: Error) {
    super(message, { cause });
    this.code = (cause as NodeJS.ErrnoException | undefined)?.code;
    this.address = `${proxy.hostname}:${proxyPort(proxy)}`;
  }
}

/** The proxy requires a login, or rejects the one that it got. A retry cannot help. */
export class ProxyLoginError extends Error {
  override readonly name = 'ProxyLoginError';
}

export function proxyPort({ port, protocol }: URL): number {
  return Number(port) || (protocol === 'https:' ? 443 : 80);
}

/** Returns the error for a proxy that cannot be reached. */
export function unreachableProxy(proxy: URL, cause: Error): ProxyError {
  return new ProxyError(`the proxy ${maskedProxy(proxy)} cannot be reached: ${cause.message}`, proxy, cause);
}

/**
 * Returns the error for a proxy that refuses CONNECT. A rejected login is a ProxyLoginError, so that nobody retries it.
 */
export function refusalOfProxy(proxy: URL, status: number, reason: string, target: string): Error {
  const name = `the proxy ${maskedProxy(proxy)}`;
  // tinyproxy answers a wrong login with 401.
  if (status === 407 || status === 401) {
    return new ProxyLoginError(
      `${name} requires a login (it answers ${status}): give USER:PASSWORD@ before the host in its address`,
    );
  }
  const said = `${status} ${reason}`.trim().slice(0, 200);
  return new ProxyError(`${name} does not connect to ${target}: ${said}`, proxy);
}
