import { MAX_EXPOSED_PORTS, MAX_PUBLISHED_PORTS } from '../../bounds.ts';
import { EngineError } from '../../errors.ts';
import type { PortBindings, Protocol } from '../network.ts';

/** A request for one port of the host on some of its addresses. */
export interface PortWish {
  readonly protocol: Protocol;
  readonly containerPort: number;
  /** One address, or both families for "everywhere". */
  readonly hostIps: readonly string[];
  /** Range in which the first free port is taken; undefined means any port. */
  readonly hostPorts: { readonly from: number; readonly to: number } | undefined;
}

/** The part of a container's configuration that determines its ports. */
export interface PortOptions {
  readonly bindings: PortBindings;
  readonly publishAll: boolean;
  /** Keys of ExposedPorts: `80/tcp`, `80`, `8000-8010/udp`. */
  readonly exposed: readonly string[];
}

/**
 * Returns the ports to publish. `hostBinding` is the network's default address for ports. Throws EngineError
 * 'bad-request', also for too many, and 'not-implemented'.
 */
export function planPorts(options: PortOptions, hostBinding?: string): readonly PortWish[] {
  const everywhere = hostBinding === undefined ? ['0.0.0.0', '::'] : [hostBinding];
  checkCount(Object.values(options.bindings).reduce((sum, bindings) => sum + bindings.length, 0));
  const wishes = Object.entries(options.bindings).flatMap(([key, bindings]) => {
    const { protocol, port } = parsePort(key);
    return bindings.map(({ HostIp, HostPort }) => ({
      protocol,
      containerPort: port,
      hostIps: HostIp === '' ? everywhere : [HostIp],
      hostPorts: parseHostPorts(HostPort),
    }));
  });
  if (!options.publishAll) return wishes;
  const named = new Set(Object.keys(options.bindings).map((key) => portKey(parsePort(key))));
  const others = exposedPorts(options.exposed).filter((exposed) => !named.has(portKey(exposed)));
  checkCount(wishes.length + others.length);
  return [
    ...wishes,
    ...others.map(({ protocol, port }) => ({
      protocol,
      containerPort: port,
      hostIps: everywhere,
      hostPorts: undefined,
    })),
  ];
}

function checkCount(count: number): void {
  if (count <= MAX_PUBLISHED_PORTS) return;
  throw new EngineError(
    'bad-request',
    `the container publishes ${count} ports: the maximum is ${MAX_PUBLISHED_PORTS}; use --network host for more`,
  );
}

interface PortRange {
  readonly protocol: Protocol;
  readonly from: number;
  readonly to: number;
}

/**
 * Returns every exposed port once. Ranges are expanded; the work is linear in the keys and the ports, however ranges
 * overlap.
 */
export function exposedPorts(
  exposed: readonly string[],
): readonly { readonly protocol: Protocol; readonly port: number }[] {
  const ranges = exposed.flatMap((key): readonly PortRange[] => {
    const [ports = '', protocol = 'tcp'] = key.split('/');
    const range = parseRange(ports);
    return range === undefined || (protocol !== 'tcp' && protocol !== 'udp') ? [] : [{ protocol, ...range }];
  });
  const count = ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  const seen = { tcp: new Set<number>(), udp: new Set<number>() };
  const found: { readonly protocol: Protocol; readonly port: number }[] = [];
  for (const { protocol, from, to } of count > MAX_EXPOSED_PORTS ? merged(ranges) : ranges) {
    for (let port = from; port <= to; port += 1) {
      if (seen[protocol].has(port)) continue;
      seen[protocol].add(port);
      found.push({ protocol, port });
    }
  }
  return found;
}

/** Merges ranges into ones that do not overlap. */
function merged(ranges: readonly PortRange[]): readonly PortRange[] {
  const disjoint: PortRange[] = [];
  const sorted = ranges.toSorted((a, b) =>
    a.protocol === b.protocol ? a.from - b.from : a.protocol < b.protocol ? -1 : 1,
  );
  for (const range of sorted) {
    const last = disjoint.at(-1);
    if (last === undefined || last.protocol !== range.protocol || last.to < range.from) disjoint.push(range);
    else if (last.to < range.to) disjoint[disjoint.length - 1] = { ...last, to: range.to };
  }
  return disjoint;
}

export function portKey({ port, protocol }: { readonly port: number; readonly protocol: string }): string {
  return `${port}/${protocol}`;
}

function parsePort(key: string): { readonly protocol: Protocol; readonly port: number } {
  const [text = '', protocol = 'tcp', ...rest] = key.split('/');
  const range = parseRange(text);
  if (range === undefined || range.from !== range.to || rest.length > 0) {
    throw new EngineError('bad-request', `invalid port specification: "${key.slice(0, 80)}"`);
  }
  if (protocol !== 'tcp' && protocol !== 'udp') {
    throw new EngineError(
      'not-implemented',
      `publishing ${protocol.slice(0, 20)} ports is not supported by berth-agent: tcp and udp are`,
    );
  }
  return { protocol, port: range.from };
}

function parseHostPorts(text: string): PortWish['hostPorts'] {
  if (text === '' || text === '0') return undefined;
  const range = parseRange(text);
  if (range === undefined) {
    throw new EngineError('bad-request', `invalid port specification: "${text.slice(0, 80)}"`);
  }
  return range;
}

function parseRange(text: string): { readonly from: number; readonly to: number } | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  return from <= to && to <= 65535 && from > 0 ? { from, to } : undefined;
}
