import { EngineError } from '../../errors.ts';
import type { PortBindings, Protocol } from '../network.ts';

/** A wish for one port of the host on some of its addresses. */
export interface PortWish {
  readonly protocol: Protocol;
  readonly containerPort: number;
  /** One of them, or both families for "everywhere". */
  readonly hostIps: readonly string[];
  /** The first port of these that is free; undefined: any. */
  readonly hostPorts: { readonly from: number; readonly to: number } | undefined;
}

/** What of a container's configuration decides on its ports. */
export interface PortOptions {
  readonly bindings: PortBindings;
  readonly publishAll: boolean;
  /** Keys of ExposedPorts: `80/tcp`, `80`, `8000-8010/udp`. */
  readonly exposed: readonly string[];
}

/**
 * What is to be published. `hostBinding` is the network's own choice for ports that name no address. Throws EngineError
 * 'bad-request', 'not-implemented'.
 */
export function planPorts(options: PortOptions, hostBinding?: string): readonly PortWish[] {
  const everywhere = hostBinding === undefined ? ['0.0.0.0', '::'] : [hostBinding];
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
  return [
    ...wishes,
    ...exposedPorts(options.exposed)
      .filter((exposed) => !named.has(portKey(exposed)))
      .map(({ protocol, port }) => ({
        protocol,
        containerPort: port,
        hostIps: everywhere,
        hostPorts: undefined,
      })),
  ];
}

/** Every exposed port, ranges told one by one. */
export function exposedPorts(
  exposed: readonly string[],
): readonly { readonly protocol: Protocol; readonly port: number }[] {
  return exposed.flatMap((key) => {
    const [ports = '', protocol = 'tcp'] = key.split('/');
    if (protocol !== 'tcp' && protocol !== 'udp') return [];
    const { from, to } = parseRange(ports) ?? { from: 0, to: -1 };
    return Array.from({ length: to - from + 1 }, (_, index) => ({ protocol, port: from + index }));
  });
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
