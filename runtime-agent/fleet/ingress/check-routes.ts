import { isIP, isIPv6 } from 'node:net';
import type { Backend, BackendAddress, HttpRoute, Route, RouteProblem, TcpRoute } from './ingress.ts';

/** Maximum routes of a host. */
export const MAX_ROUTES = 1_000;
/** Maximum backends of a route. */
export const MAX_BACKENDS = 100;
export const DEFAULT_WEIGHT = 100;

const MAX_HOST = 253;
const MAX_PATH = 1_024;
const MAX_WEIGHT = 256;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
/** Allowed paths (RFC 3986, section 3.3): no character ends a line, a word or a comment in HAProxy's files. */
const PATH = /^(?:\/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)+$/;

/** Normalised routes, without invalid ones. */
export interface CheckedRoutes {
  readonly routes: readonly Route[];
  readonly problems: readonly RouteProblem[];
}

/**
 * Checks untrusted routes, and normalises names, paths and addresses. Of two routes with the same host and path, or
 * port, the first counts. `taken` are the ports of the ingress itself.
 */
export function checkRoutes(routes: readonly Route[], taken: ReadonlySet<number>): CheckedRoutes {
  const accepted = new Map<string, Route>();
  const problems: RouteProblem[] = [];
  const refuse = (route: Route, message: string) => problems.push({ route, message, isServed: false });
  for (const route of routes) {
    const checked = checkRoute(route, taken);
    if (typeof checked === 'string') {
      refuse(route, checked);
      continue;
    }
    const key = routeKey(checked);
    if (accepted.has(key)) {
      refuse(route, `another route already leads from ${describeRoute(checked)}.`);
    } else if (accepted.size === MAX_ROUTES) {
      refuse(route, `a host serves at most ${MAX_ROUTES} routes.`);
    } else accepted.set(key, checked);
  }
  return { routes: [...accepted.values()], problems };
}

/** Returns the identity of a route: the host and the path with a trailing slash, or the port. */
export function routeKey(route: Route): string {
  if (route.kind === 'tcp') return `tcp:${route.port}`;
  return `${route.host}${route.path === '/' ? '' : route.path}/`;
}

/** Returns an address in the proxy's notation; undefined if it is invalid. */
export function canonicalAddress(address: string): string | undefined {
  if (isIP(address) === 0 || address.includes('%')) return undefined;
  if (!isIPv6(address)) return address;
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

function describeRoute(route: Route): string {
  return route.kind === 'tcp' ? `port ${route.port}` : `${route.host}${route.path}`;
}

/** Returns the normalised route, or a message about the problem. */
function checkRoute(route: Route, taken: ReadonlySet<number>): Route | string {
  const backends = checkBackends(route.backends);
  if (typeof backends === 'string') return backends;
  return route.kind === 'tcp' ? checkTcp(route, backends, taken) : checkHttp(route, backends);
}

function checkTcp(
  route: TcpRoute,
  backends: readonly Backend[],
  taken: ReadonlySet<number>,
): TcpRoute | string {
  if (!isPort(route.port)) return `${route.port} is not a TCP port: use 1 to 65535.`;
  if (taken.has(route.port)) return `the ingress itself listens on port ${route.port}: use another port.`;
  return { kind: 'tcp', port: route.port, backends };
}

function checkHttp(route: HttpRoute, backends: readonly Backend[]): HttpRoute | string {
  const host = route.host.toLowerCase();
  const labels = (host.startsWith('*.') ? host.slice(2) : host).split('.');
  if (host.length > MAX_HOST || !labels.every((label) => LABEL.test(label)) || isIP(host) !== 0) {
    return `${quote(route.host)} is not a host name: use one such as shop.example.com or *.example.com.`;
  }
  if (route.path.length > MAX_PATH || !PATH.test(route.path)) {
    return `${quote(route.path)} is not a path: begin it with "/", percent-encode characters that a URL does not allow, and use at most ${MAX_PATH} characters.`;
  }
  if (route.path.split('/').some((segment) => segment === '.' || segment === '..')) {
    return `${quote(route.path)} has the segment "." or "..": write the path without it.`;
  }
  if (route.path.includes('//')) {
    return `${quote(route.path)} has an empty segment: write the path with single slashes.`;
  }
  const path = route.path.length > 1 && route.path.endsWith('/') ? route.path.slice(0, -1) : route.path;
  return { kind: 'http', host, path, tls: route.tls, backends };
}

function checkBackends(backends: readonly Backend[]): readonly Backend[] | string {
  if (backends.length > MAX_BACKENDS) return `a route leads to at most ${MAX_BACKENDS} backends.`;
  const checked = new Map<string, Backend>();
  for (const backend of backends) {
    const address = canonicalAddress(backend.address);
    if (address === undefined) return `${quote(backend.address)} is not an IP address of a backend.`;
    if (!isPort(backend.port)) return `${backend.port} is not a port of a backend: use 1 to 65535.`;
    const weight = backend.weight ?? DEFAULT_WEIGHT;
    if (!Number.isInteger(weight) || weight < 1 || weight > MAX_WEIGHT) {
      return `${weight} is not the weight of a backend: use 1 to ${MAX_WEIGHT}.`;
    }
    checked.set(serverName({ address, port: backend.port }), { ...backend, address, weight });
  }
  return [...checked.values()];
}

/** Returns the name of a backend in the proxy; the address is in canonical form. */
export function serverName({ address, port }: BackendAddress): string {
  return `${address}-${port}`;
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

/** Quotes a text for a message: short, and without control characters. */
function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
