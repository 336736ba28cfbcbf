import { DEFAULT_WEIGHT, MAX_ROUTES, routeKey, serverName } from './check-routes.ts';
import type { Backend, Route } from './ingress.ts';

/** The maps from requests to slots: for plain HTTP and for TLS. */
export const MAP_NAMES = ['plain', 'secure'] as const;
export type MapName = (typeof MAP_NAMES)[number];

/** The value in the map of plain HTTP for a route that is served over TLS. */
export const REDIRECT = 'redirect';

/** An entry of a map. */
export interface Pointer {
  readonly map: MapName;
  /** See routeKey. */
  readonly key: string;
  /** A slot, or REDIRECT. */
  readonly value: string;
}

/** A backend as known to the proxy. */
export interface Server {
  /** The proxy's own list of servers: `r0` … for routes of HTTP, `t5432` for a TCP port. */
  readonly slot: string;
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  /** `leaving`: no route names it any more; it is removed when its last request has ended. */
  readonly state: 'ready' | 'draining' | 'leaving';
}

/** A certificate that the proxy offers to clients that request a host name. */
export interface OfferedCertificate {
  /** Name of its file, derived from its content. */
  readonly file: string;
  readonly host: string;
}

/** The proxy's complete state. */
export interface ProxyState {
  readonly pointers: readonly Pointer[];
  readonly servers: readonly Server[];
  readonly certificates: readonly OfferedCertificate[];
  readonly tcpPorts: readonly number[];
}

export const EMPTY_STATE: ProxyState = { pointers: [], servers: [], certificates: [], tcpPorts: [] };

/** One change of the proxy. Each may be repeated. */
export type Step =
  | { readonly kind: 'add-server'; readonly server: Server }
  | { readonly kind: 'set-state'; readonly server: Server }
  | { readonly kind: 'set-weight'; readonly server: Server }
  | { readonly kind: 'offer'; readonly certificate: OfferedCertificate }
  | { readonly kind: 'point'; readonly pointer: Pointer }
  | { readonly kind: 'unpoint'; readonly pointer: Pointer }
  | { readonly kind: 'withdraw'; readonly certificate: OfferedCertificate };

export interface RoutePlan {
  /**
   * In this order: new servers exist before a route leads to them, and routes change before old servers are removed.
   */
  readonly steps: readonly Step[];
  /** The state that the steps reach. */
  readonly target: ProxyState;
  /** Routes for which no slot was free. */
  readonly unplaced: readonly Route[];
}

/**
 * Plans the steps from the current state to `allRoutes`, which must be checked. `certificates` are offered. Servers
 * that no route names become `leaving`; their slot is not reused before they are removed.
 */
export function planRoutes(
  current: ProxyState,
  allRoutes: readonly Route[],
  certificates: readonly OfferedCertificate[],
): RoutePlan {
  const slots = assignSlots(current, allRoutes);
  const routes = allRoutes.filter((route) => slots.has(routeKey(route)));
  const pointers = routes.flatMap((route) => pointersOf(route, slots));
  const wanted = routes.flatMap((route) => serversOf(route, slots));
  const known = new Map(current.servers.map((server) => [serverKey(server), server]));
  const wantedKeys = new Set(wanted.map(serverKey));
  const leaving = current.servers
    .filter((server) => !wantedKeys.has(serverKey(server)))
    .map((server) => ({ ...server, state: 'leaving' as const }));
  const changed = (server: Server, part: 'state' | 'weight') => {
    const before = known.get(serverKey(server));
    return before !== undefined && before[part] !== server[part];
  };
  const steps: readonly Step[] = [
    ...wanted
      .filter((server) => !known.has(serverKey(server)))
      .map((server) => ({ kind: 'add-server' as const, server })),
    ...wanted
      .filter((server) => changed(server, 'weight'))
      .map((server) => ({ kind: 'set-weight' as const, server })),
    ...inOrder(wanted.filter((server) => changed(server, 'state'))).map((server) => ({
      kind: 'set-state' as const,
      server,
    })),
    ...without(certificates, current.certificates, certificateKey).map((certificate) => ({
      kind: 'offer' as const,
      certificate,
    })),
    ...without(pointers, current.pointers, pointerKey).map((pointer) => ({
      kind: 'point' as const,
      pointer,
    })),
    ...without(current.pointers, pointers, placeKey).map((pointer) => ({
      kind: 'unpoint' as const,
      pointer,
    })),
    ...leaving
      .filter((server) => changed(server, 'state'))
      .map((server) => ({ kind: 'set-state' as const, server })),
    ...without(current.certificates, certificates, certificateKey).map((certificate) => ({
      kind: 'withdraw' as const,
      certificate,
    })),
  ];
  const tcpPorts = routes.flatMap((route) => (route.kind === 'tcp' ? [route.port] : []));
  return {
    steps,
    target: {
      pointers,
      servers: [...wanted, ...leaving],
      certificates: certificates.map(({ file, host }) => ({ file, host })),
      tcpPorts: tcpPorts.sort((one, other) => one - other),
    },
    unplaced: allRoutes.filter((route) => !slots.has(routeKey(route))),
  };
}

/** A route keeps its slot; a new one gets the lowest free one. */
function assignSlots(current: ProxyState, routes: readonly Route[]): ReadonlyMap<string, string> {
  const slots = new Map(
    current.pointers.filter(({ value }) => value !== REDIRECT).map(({ key, value }) => [key, value]),
  );
  const used = new Set([...slots.values(), ...current.servers.map(({ slot }) => slot)]);
  let next = 0;
  for (const route of routes) {
    const key = routeKey(route);
    if (route.kind === 'tcp') slots.set(key, tcpSlot(route.port));
    if (slots.has(key)) continue;
    while (used.has(httpSlot(next))) next += 1;
    if (next < HTTP_SLOTS) slots.set(key, httpSlot(next));
    next += 1;
  }
  return slots;
}

/** Number of slots: more than routes, as servers of a removed route may still drain. 9 KB of memory each. */
export const HTTP_SLOTS = MAX_ROUTES + 250;

export function httpSlot(index: number): string {
  return `r${index}`;
}

export function tcpSlot(port: number): string {
  return `t${port}`;
}

function pointersOf(route: Route, slots: ReadonlyMap<string, string>): readonly Pointer[] {
  if (route.kind === 'tcp') return [];
  const key = routeKey(route);
  const value = slots.get(key) ?? '';
  if (route.tls.kind === 'none') return [{ map: 'plain', key, value }];
  return [
    { map: 'secure', key, value },
    { map: 'plain', key, value: REDIRECT },
  ];
}

function serversOf(route: Route, slots: ReadonlyMap<string, string>): readonly Server[] {
  const slot = slots.get(routeKey(route)) ?? '';
  return route.backends.map((backend: Backend) => ({
    slot,
    name: serverName(backend),
    address: backend.address,
    port: backend.port,
    weight: backend.weight ?? DEFAULT_WEIGHT,
    state: backend.state,
  }));
}

/** Orders servers so that those that become ready come before those that stop. */
function inOrder(servers: readonly Server[]): readonly Server[] {
  return [
    ...servers.filter(({ state }) => state === 'ready'),
    ...servers.filter(({ state }) => state !== 'ready'),
  ];
}

function without<T>(all: readonly T[], excluded: readonly T[], keyOf: (one: T) => string): readonly T[] {
  const keys = new Set(excluded.map(keyOf));
  return all.filter((one) => !keys.has(keyOf(one)));
}

function serverKey({ slot, name }: Server): string {
  return `${slot}/${name}`;
}

function pointerKey({ map, key, value }: Pointer): string {
  return `${map} ${key} ${value}`;
}

function placeKey({ map, key }: Pointer): string {
  return `${map} ${key}`;
}

function certificateKey({ file, host }: OfferedCertificate): string {
  return `${file} ${host}`;
}
