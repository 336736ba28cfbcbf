/**
 * Leads requests that reach this host to instances. Terms:
 *
 * - A *route* is a host name and a path prefix of HTTP, or a TCP port. It leads to backends.
 * - A *backend* is an address and a port of one instance. A `ready` one gets requests. A `draining` one gets no new ones and
 *   keeps those that it has, WebSockets included.
 * - The *proxy* is a process of its own, which serves without the agent: an agent that was killed finds it again at `start`.
 *
 * Life cycle: `start`, then `setRoutes` with the whole set as often as it changes, then either `close` (the agent ends, the
 * proxy goes on) or `stop` (the proxy ends as well).
 *
 * An update of one instance:
 *
 *     await ingress.start(signal);
 *     await ingress.setRoutes([{ kind: 'http', host: 'shop.test', path: '/', tls: { kind: 'none' }, backends: [old] }]);
 *     // … the new instance is healthy: see probeRoute …
 *     await ingress.setRoutes([{ kind: 'http', host: 'shop.test', path: '/', tls: { kind: 'none' }, backends: [new] }]);
 *     await ingress.drained(old, { timeout: 30_000 }, signal);
 *     // … stop the old instance …
 */
export interface Ingress {
  /**
   * Adopts the proxy that an earlier agent has started, or starts one with the routes that the last one had. A proxy that dies is
   * started again until `close`. Throws IngressError when it cannot listen, or HAProxy is missing.
   */
  start(signal: AbortSignal): Promise<void>;
  /**
   * Makes the proxy serve exactly these routes, by the differences to what it serves now; calling it twice changes nothing. New
   * backends are added before old ones are left out, and no connection is cut: a backend that is no longer named drains and is
   * removed when its last request has ended. Resolves when new requests go by the new set. Routes that cannot be served are left
   * out and described in the answer; they do not keep others from being served. Throws IngressError when the proxy cannot
   * be told, after which the set may be half in effect: call it again.
   */
  setRoutes(routes: readonly Route[]): Promise<readonly RouteProblem[]>;
  /**
   * Resolves when a backend that no route names as ready has no open request. After `timeout` milliseconds it cuts those that are
   * left, WebSockets usually. Resolves at once for a backend that the proxy does not have. Rejects with the signal's reason.
   */
  drained(
    backend: BackendAddress,
    options: { readonly timeout: number },
    signal: AbortSignal,
  ): Promise<Drained>;
  /** Stops watching the proxy, which continues to serve. */
  close(): Promise<void>;
  /** Ends the proxy at once, with all its connections. */
  stop(): Promise<void>;
}

/** How draining ended. */
export interface Drained {
  /** Requests and WebSockets that were cut at the end of the time. */
  readonly cut: number;
}

export type Route = HttpRoute | TcpRoute;

export interface HttpRoute {
  readonly kind: 'http';
  /** `shop.example.com`, or `*.example.com` for all names of one more label. In any case; internationalised names in Punycode. */
  readonly host: string;
  /**
   * `/`, or a prefix of whole segments: `/api` covers `/api` and `/api/users`, but not `/apis`. The longest prefix
   * wins.
   */
  readonly path: string;
  readonly tls: RouteTls;
  readonly backends: readonly Backend[];
}

/** A TCP port of the host. */
export interface TcpRoute {
  readonly kind: 'tcp';
  readonly port: number;
  readonly backends: readonly Backend[];
}

/**
 * How clients reach a route: with `none` over plain HTTP alone; otherwise over TLS, and plain HTTP redirects there. The
 * caller decides which files of the host a route may name: they are read as root.
 */
export type RouteTls =
  | { readonly kind: 'none' }
  /** Paths of PEM files, which are read again when they change. */
  | { readonly kind: 'files'; readonly certificate: string; readonly key: string }
  /** PEM texts. */
  | { readonly kind: 'secret'; readonly certificate: string; readonly key: string }
  /** A certificate of the configured ACME authority, renewed before it expires. */
  | { readonly kind: 'acme' };

export interface BackendAddress {
  /** An IPv4 or IPv6 address. */
  readonly address: string;
  readonly port: number;
}

export interface Backend extends BackendAddress {
  readonly state: 'ready' | 'draining';
  /** Weight relative to other backends, 1 to 256; default 100. */
  readonly weight?: number;
}

/** A route that is not served, or not as requested. */
export interface RouteProblem {
  readonly route: Route;
  /** A sentence for the author of the route. */
  readonly message: string;
  /** Whether clients reach its backends anyway, or will without another call. */
  readonly isServed: boolean;
}

/** The proxy cannot be started or configured; the message says what to do. */
export class IngressError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'IngressError';
  }
}
