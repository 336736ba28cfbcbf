import { isIP } from 'node:net';
import type { RouteSpec, TlsSpec } from '../service.ts';
import type { Field } from './field.ts';
import { KEYS } from './keys.ts';

const PREFIX = 'berth.route.';
/** Excludes the characters that quote, escape or expand in a proxy's configuration. */
const PATH = /^\/[A-Za-z0-9._~/@:+=,-]*$/;
const PATH_AND_QUERY = /^\/[A-Za-z0-9._~/@:+=,?&-]*$/;
const DNS_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Reads the route of a service: `x-berth: {route: …}`, or labels such as `berth.route.host`. */
export function readRoute(service: Field): RouteSpec | undefined {
  const extension = service.get('x-berth').mapping(KEYS['x-berth']).get('route');
  const labels = routeLabels(service.get('labels'));
  if (!extension.isPresent) {
    if (labels.size === 0) return undefined;
    const absent = service.get('labels').get('berth.route');
    return readParts((name) => labels.get(name) ?? absent, service.get('labels'));
  }
  if (labels.size > 0) extension.refuse('the labels name a route as well: remove one of the two');
  const route = extension.mapping(KEYS['x-berth.route']);
  return readParts((name) => route.get(name), route);
}

function readParts(part: (name: string) => Field, at: Field): RouteSpec | undefined {
  const port = part('port').integer(1, 65_535);
  if (!part('port').isPresent) at.refuse('port of the route is missing: it is the port of the instance');
  if (part('listen').isPresent) {
    const listen = part('listen').integer(1, 65_535);
    for (const name of ['host', 'path', 'health', 'tls']) {
      if (part(name).isPresent) part(name).refuse('a route with listen is for TCP: it has only a port');
    }
    return port === undefined || listen === undefined ? undefined : { kind: 'tcp', listen, port };
  }
  if (!part('host').isPresent) at.refuse('host of the route is missing (or listen, for TCP)');
  const host = part('host').string()?.toLowerCase();
  if (host !== undefined && !isHostName(host))
    part('host').refuse('must be a name, such as shop.example.com');
  const path = readPrefix(part('path'));
  const health = readPath(part('health'), PATH_AND_QUERY);
  const tls = readTls(part('tls'));
  if (port === undefined || host === undefined) return undefined;
  return { kind: 'http', host, path, port, ...(health === undefined ? {} : { health }), tls };
}

/** Normalises a prefix as the ingress does, so that two routes are equal if and only if their texts are. */
function readPrefix(field: Field): string {
  const path = readPath(field, PATH) ?? '/';
  const segments = path.split('/').slice(1, path.endsWith('/') ? -1 : undefined);
  if (segments.some((segment) => ['', '.', '..'].includes(segment)))
    field.refuse('must have no segment that is empty, "." or ".."');
  return `/${segments.join('/')}`;
}

function readPath(field: Field, form: RegExp): string | undefined {
  const path = field.string();
  if (path === undefined) return undefined;
  return form.test(path) && path.length <= 1024 ? path : field.refuse('must be a path that begins with /');
}

function readTls(field: Field): TlsSpec {
  if (!field.isPresent) return { kind: 'none' };
  const secretOf = (text: string) => (text.startsWith('secret:') ? text.slice('secret:'.length) : undefined);
  if (field.isObject) {
    const secret = field.mapping(KEYS['x-berth.route.tls']).get('secret').string();
    if (secret !== undefined) return { kind: 'secret', secret };
    field.refuse('must be none, acme, files, or {secret: NAME}');
    return { kind: 'none' };
  }
  const secret = typeof field.value === 'string' ? secretOf(field.value) : undefined;
  if (secret !== undefined) return { kind: 'secret', secret };
  return { kind: field.oneOf(['none', 'acme', 'files']) ?? 'none' };
}

function isHostName(host: string): boolean {
  return host.length <= 253 && isIP(host) === 0 && host.split('.').every((label) => DNS_LABEL.test(label));
}

/** Returns the labels that begin with PREFIX, by the rest of their names. */
function routeLabels(labels: Field): ReadonlyMap<string, Field> {
  const found = new Map<string, Field>();
  for (const item of labels.isList ? labels.list() : labels.isObject ? labels.entries() : []) {
    const text = labels.isList ? String(item.value) : item.key;
    if (!text.startsWith(PREFIX)) continue;
    const equals = labels.isList ? text.indexOf('=') : -1;
    const name = text.slice(PREFIX.length, equals < 0 ? undefined : equals);
    if (!KEYS['x-berth.route'].has(name))
      item.refuse(`unknown label: a route has no ${JSON.stringify(name.slice(0, 80))}`);
    else found.set(name, labels.isList ? item.with(text.slice(equals + 1)) : item);
  }
  return found;
}
