import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { HTTP_SLOTS, httpSlot, type ProxyState, REDIRECT, type Server, tcpSlot } from './plan-routes.ts';

/** An IP address and port to listen on. */
export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

export interface ProxySettings {
  /** Addresses that answer plain HTTP. */
  readonly plain: readonly ListenAddress[];
  /** Addresses that answer TLS. */
  readonly secure: readonly ListenAddress[];
  /** Maximum client connections. */
  readonly maxConnections: number;
  readonly threads: number;
  /** Name of the user and group that the proxy switches to; if absent, it stays root. */
  readonly user?: string;
  /** Whether the host has IPv6 addresses. */
  readonly hasIPv6: boolean;
}

/** Files of the proxy, all in one folder. */
export interface ProxyFiles {
  readonly plainMap: string;
  readonly secureMap: string;
  /** ACME challenge answers by path, and LOADED. */
  readonly answersMap: string;
  /** Certificates and the names that they cover. */
  readonly certificateList: string;
  /** An empty folder. */
  readonly root: string;
}

/**
 * Key of the map of answers that exists once routes have been set: until then, an unknown name may be one whose route
 * is not set yet.
 */
export const LOADED = 'loaded';

/**
 * Returns the identity of the configuration apart from routes: a proxy whose configuration has another identity must be
 * replaced to serve it.
 */
export function configIdentity(
  settings: ProxySettings,
  files: ProxyFiles,
  tcpPorts: readonly number[],
): string {
  return createHash('sha256')
    .update(staticSections(settings, files, tcpPorts))
    .digest('hex')
    .slice(0, 16);
}

/**
 * Returns the HAProxy configuration that serves `state` from its start. It contains no name, path or other text of a
 * route: those are in maps, where only spaces and line ends have a meaning.
 */
export function renderConfig(
  settings: ProxySettings,
  files: ProxyFiles,
  socket: string,
  state: ProxyState,
): string {
  const servers = Map.groupBy(
    state.servers.filter((server) => server.state === 'ready'),
    ({ slot }) => slot,
  );
  const backend = (slot: string, defaults: string) => [
    `backend ${slot} from ${defaults}`,
    ...(servers.get(slot) ?? []).map((server) => `  server ${server.name} ${serverOptions(server)}`),
  ];
  return [
    'global',
    `  description ${configIdentity(settings, files, state.tcpPorts)}`,
    `  stats socket ${socket} mode 600 level admin expose-fd listeners`,
    staticSections(settings, files, state.tcpPorts),
    ...Array.from({ length: HTTP_SLOTS }, (_, index) => backend(httpSlot(index), 'http')).flat(),
    ...state.tcpPorts.flatMap((port) => backend(tcpSlot(port), 'tcp')),
    '',
  ].join('\n');
}

/**
 * Returns the address and options of a server, for both the configuration and the command `add server`. Idle
 * connections are closed after one to two seconds: many servers close them after five, and could do so while a request
 * is on its way.
 */
export function serverOptions({ address, port, weight }: Server): string {
  return `${socketAddress(address, port)} weight ${weight} pool-purge-delay 1s`;
}

/** Returns the content of a map. */
export function renderMap(entries: readonly { readonly key: string; readonly value: string }[]): string {
  return entries.map(({ key, value }) => `${key} ${value}\n`).join('');
}

function socketAddress(address: string, port: number): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

/** An IPv6 address does not also accept IPv4. */
function listenOn({ address, port }: ListenAddress): string {
  return `${socketAddress(address, port)}${isIPv6(address) ? ' v6only' : ''}`;
}

function staticSections(settings: ProxySettings, files: ProxyFiles, tcpPorts: readonly number[]): string {
  const { user, threads, maxConnections, plain, secure, hasIPv6 } = settings;
  const everywhere = (port: number) => [
    `  bind *:${port}`,
    ...(hasIPv6 ? [`  bind [::]:${port} v6only`] : []),
  ];
  const share = [
    '  tcp-request connection track-sc0 src table clients',
    `  tcp-request connection reject if { sc0_conn_cur(clients) gt ${maxConnections >> 1} }`,
  ];
  return [
    '  stats timeout 20d',
    '  stats maxconn 50',
    `  maxconn ${maxConnections}`,
    `  nbthread ${threads}`,
    `  chroot ${files.root}`,
    ...(user === undefined ? [] : [`  user ${user}`, `  group ${user}`]),
    // An old process lives as long as its connections, at most a day.
    '  hard-stop-after 1d',
    '  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets',
    'defaults all',
    '  timeout connect 2s',
    '  retries 3',
    '  option redispatch 1',
    '  option clitcpka',
    '  option srvtcpka',
    '  timeout client-fin 30s',
    '  timeout tunnel 1d',
    'defaults http from all',
    '  mode http',
    '  balance roundrobin',
    '  timeout http-request 10s',
    '  timeout http-keep-alive 60s',
    '  timeout client 60s',
    '  timeout server 10m',
    '  timeout queue 10s',
    // A replaced process answers one more request on an idle connection, instead of closing it under that request.
    '  option idle-close-on-response',
    '  retry-on conn-failure empty-response',
    `  http-error status 503 ${NO_BACKEND}`,
    'defaults tcp from all',
    '  mode tcp',
    '  balance leastconn',
    '  timeout client 1d',
    '  timeout server 1d',
    // One client, which may be hostile, never gets all connections.
    'backend clients from tcp',
    '  stick-table type ipv6 size 100k expire 60s store conn_cur',
    ...(plain.length === 0
      ? []
      : [
          'frontend plain from http',
          ...plain.map((address) => `  bind ${listenOn(address)}`),
          ...share,
          `  http-request return status 200 content-type text/plain lf-string %[path,map_str(${files.answersMap})] if { path -m beg /.well-known/acme-challenge/ } { path,map_str(${files.answersMap}) -m found }`,
          ...routing(files.plainMap, files, 'http'),
          `  http-request redirect prefix https://%[var(txn.host)]${redirectPort(secure)} code 308 if { var(txn.slot) -m str ${REDIRECT} }`,
          ...forwarding('http'),
        ]),
    ...(secure.length === 0
      ? []
      : [
          'frontend secure from http',
          ...secure.map(
            (address) =>
              `  bind ${listenOn(address)} ssl crt-list ${files.certificateList} alpn h2,http/1.1 strict-sni`,
          ),
          ...share,
          ...routing(files.secureMap, files, 'https'),
          ...forwarding('https'),
        ]),
    ...tcpPorts.flatMap((port) => [
      `frontend ${tcpSlot(port)} from tcp`,
      ...everywhere(port),
      ...share,
      `  default_backend ${tcpSlot(port)}`,
    ]),
  ].join('\n');
}

const NO_BACKEND =
  'content-type text/plain string "no instance of this service is ready\\n" hdr retry-after 1 hdr cache-control no-store';

/** A name in the form of routes, an IPv6 address, or nothing: other text could become part of a key with a path. */
const HOST_FORM = '^(?:[a-z0-9_.-]*|\\[[0-9a-f:.]+\\])$';
/**
 * A segment `.` or `..`, including forms that an app may read as one: encoded, after an encoded slash or a backslash,
 * or with parameters.
 */
const DOT_SEGMENT = '(?:^|[/\\\\]|%2f|%5c)(?:\\.|%2e){1,2}(?:[/\\\\;]|%2f|%5c|%3b|$)';

/**
 * Sets txn.slot by the longest prefix of host and path, where each segment ends with a slash; then by the wildcard.
 * Refuses a request whose path an app may read as one outside the route.
 */
function routing(map: string, { answersMap }: ProxyFiles, proto: string): readonly string[] {
  const absent = 'if !{ var(txn.slot) -m found }';
  return [
    `  http-request set-var(txn.proto) str(${proto})`,
    '  http-request set-var(txn.host) req.hdr(host),host_only,rtrim(.),lower',
    `  http-request return status 400 content-type text/plain string "the host of the request is not a name\\n" if !{ var(txn.host) -m reg '${HOST_FORM}' }`,
    `  http-request return status 400 content-type text/plain string "the path of the request has a segment . or ..\\n" if { path -m reg -i '${DOT_SEGMENT}' }`,
    '  http-request set-var(txn.path) path,concat(/)',
    '  http-request set-var(txn.key) var(txn.host),concat(,txn.path)',
    `  http-request set-var(txn.slot) var(txn.key),map_beg(${map})`,
    `  http-request set-var(txn.parent) var(txn.host),field(2,.,0) ${absent}`,
    `  http-request set-var(txn.key) str(*.),concat(,txn.parent),concat(,txn.path) ${absent}`,
    `  http-request set-var(txn.slot) var(txn.key),map_beg(${map}) ${absent}`,
    `  http-request return status 503 ${NO_BACKEND} if !{ var(txn.slot) -m found } !{ str(${LOADED}),map_str(${answersMap}) -m found }`,
    `  http-request return status 404 content-type text/plain string "no route leads from this host and path\\n" ${absent}`,
  ];
}

/** Headers that tell a backend about the client. Values from the client are replaced. */
function forwarding(proto: string): readonly string[] {
  return [
    // Many apps treat "_" and "-" in the name of a header alike.
    "  http-request del-header '^(?:x[-_])?forwarded(?:[-_]|$)' -m reg",
    "  http-request del-header '^x[-_]real[-_]ip$' -m reg",
    '  http-request del-header proxy',
    '  http-request del-header proxy-connection',
    '  http-request del-header keep-alive',
    '  http-request del-header http2-settings',
    '  http-request del-header upgrade if { req.hdr(upgrade) -i -m sub h2c }',
    // A client that names headers here could make the backend, or a proxy after this one, drop them.
    '  http-request set-header connection upgrade if { req.hdr(upgrade) -m found }',
    '  http-request del-header connection if !{ req.hdr(upgrade) -m found }',
    '  http-request set-header x-forwarded-for %[src]',
    `  http-request set-header x-forwarded-proto ${proto}`,
    '  http-request set-header x-forwarded-host %[req.hdr(host)]',
    '  http-request set-header x-forwarded-port %[dst_port]',
    // Only an idempotent request is repeated when a connection breaks before the answer.
    '  http-request disable-l7-retry if !METH_GET !{ method HEAD OPTIONS PUT DELETE }',
    '  use_backend %[var(txn.slot)]',
  ];
}

function redirectPort(secure: readonly ListenAddress[]): string {
  const port = secure[0]?.port ?? 443;
  return port === 443 ? '' : `:${port}`;
}
