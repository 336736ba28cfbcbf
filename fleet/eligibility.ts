import { portsClash } from './compose/ports.ts';
import type { Allowance, Host } from './host.ts';
import type { AppSpec, PublishedPort, ServiceSpec } from './service.ts';

/** A host as a placement sees it. */
export interface PlacementHost extends Pick<Host, 'id' | 'name' | 'labels' | 'draining'> {
  readonly facts: Pick<Host['facts'], 'platform' | 'allows' | 'ingress'>;
  /** New instances go to hosts that are online, as long as there are any. */
  readonly online: boolean;
  /** Ports that other apps publish there, as `80/tcp`, and which ones. */
  readonly ports: ReadonlyMap<string, string>;
  /** HTTP routes of other apps there, as `shop.example.com/path`, and which ones. */
  readonly routes?: ReadonlyMap<string, string>;
}

/** Why a host cannot run a service: the key that asks too much, and the end of a sentence about the host. */
export interface Clash {
  readonly key: string;
  readonly text: string;
}

/** Capabilities that docker gives to every container. */
const USUAL_CAPABILITIES = [
  ...['AUDIT_WRITE', 'CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'MKNOD', 'NET_BIND_SERVICE'],
  ...['NET_RAW', 'SETFCAP', 'SETGID', 'SETPCAP', 'SETUID', 'SYS_CHROOT'],
];

/** What a host must allow for a service, with the key that asks for it. */
export function needsOf(
  service: ServiceSpec,
): readonly { readonly allowance: Allowance; readonly key: string }[] {
  const { devices, ipc, mounts, networkMode, pid, privileged, capAdd, securityOpt } = service;
  const isUsual = (name: string) => USUAL_CAPABILITIES.includes(name.toUpperCase().replace(/^CAP_/, ''));
  const isStrict = (option: string) => /^no-new-privileges(?:[:=]true)?$/.test(option);
  const needs = [
    ['privileged', 'privileged', privileged],
    ['privileged', 'cap_add', !capAdd.every(isUsual)],
    ['privileged', 'security_opt', !securityOpt.every(isStrict)],
    ['host-network', 'network_mode', networkMode === 'host'],
    ['host-pid', 'pid', pid === 'host'],
    ['host-pid', 'ipc', ipc === 'host'],
    ['bind', 'volumes', mounts.some(({ type }) => type === 'bind')],
    ['device', 'devices', devices.length > 0],
  ] as const;
  return needs.flatMap(([allowance, key, isNeeded]) => (isNeeded ? [{ allowance, key }] : []));
}

/** Why a host cannot run a service whatever else runs there. */
export function refusalOf(
  service: ServiceSpec,
  { facts }: PlacementHost,
  platforms: readonly string[] | undefined,
): Clash | undefined {
  const missing = needsOf(service).find(({ allowance }) => !facts.allows.includes(allowance));
  if (missing !== undefined) {
    const { allowance, key } = missing;
    return { key, text: `does not allow ${allowance}: start its agent with --allow ${allowance}` };
  }
  if (service.route !== undefined && !facts.ingress) {
    return { key: 'x-berth', text: 'has no ingress: start its agent with --ingress' };
  }
  const wanted = service.platform ?? facts.platform;
  if (platforms === undefined || platforms.some((platform) => samePlatform(platform, wanted)))
    return undefined;
  const offered = platforms.length === 0 ? 'no platform' : platforms.slice(0, 5).join(', ');
  return { key: 'image', text: `is ${facts.platform}, and the image is for ${offered}` };
}

/** Whether two platforms are the same, if one of them leaves the variant out. */
export function samePlatform(one: string, other: string): boolean {
  return one === other || one.startsWith(`${other}/`) || other.startsWith(`${one}/`);
}

/** The ports of a host that a service takes there, as `80/tcp`. */
export function publishedPorts(service: Pick<ServiceSpec, 'ports' | 'route'>): readonly string[] {
  return portsOf(service).flatMap(({ published, protocol }) =>
    published === undefined ? [] : [`${published}/${protocol}`],
  );
}

/** The HTTP route of a service, as `shop.example.com/path`. */
export function routeOf({ route }: Pick<ServiceSpec, 'route'>): string | undefined {
  return route?.kind === 'http' ? `${route.host}${route.path}` : undefined;
}

/** The ports, routes and exclusive volumes of a host that services have taken. */
export class HostClaims {
  readonly #spec: AppSpec;
  readonly #host: PlacementHost;
  readonly #services: ServiceSpec[] = [];

  constructor(spec: AppSpec, host: PlacementHost) {
    this.#spec = spec;
    this.#host = host;
  }

  /** Why there is no room for a service. */
  clash(service: ServiceSpec): Clash | undefined {
    const { ports, routes } = this.#host;
    const port = publishedPorts(service).find((one) => ports.has(one));
    if (port !== undefined) return { key: 'ports', text: `has port ${port} in use by ${ports.get(port)}` };
    const route = routeOf(service);
    const owner = route === undefined ? undefined : routes?.get(route);
    if (owner !== undefined) return { key: 'x-berth', text: `has the route ${route} in use by ${owner}` };
    for (const other of this.#services) {
      if (other.name === service.name) continue;
      const same = portsOf(service).find((one) => portsOf(other).some((two) => portsClash(one, two)));
      if (same !== undefined) {
        return {
          key: 'ports',
          text: `has port ${same.published}/${same.protocol} in use by the service ${other.name}`,
        };
      }
      if (route !== undefined && route === routeOf(other)) {
        return { key: 'x-berth', text: `has the route ${route} in use by the service ${other.name}` };
      }
      const volume = exclusiveVolumes(this.#spec, service).find((one) =>
        exclusiveVolumes(this.#spec, other).includes(one),
      );
      if (volume !== undefined) {
        return {
          key: 'volumes',
          text: `has the exclusive volume ${volume} in use by the service ${other.name}`,
        };
      }
    }
    return undefined;
  }

  add(service: ServiceSpec): void {
    this.#services.push(service);
  }
}

/** The volumes of a service that one instance of a host may have at a time. */
export function exclusiveVolumes(spec: AppSpec, service: ServiceSpec): readonly string[] {
  const exclusive = new Set(spec.volumes.filter((volume) => volume.exclusive).map(({ name }) => name));
  return service.mounts.flatMap((mount) =>
    mount.type === 'volume' && mount.volume !== undefined && exclusive.has(mount.volume)
      ? [mount.volume]
      : [],
  );
}

function portsOf({ ports, route }: Pick<ServiceSpec, 'ports' | 'route'>): readonly PublishedPort[] {
  if (route?.kind !== 'tcp') return ports;
  return [...ports, { target: route.port, published: route.listen, protocol: 'tcp' }];
}
