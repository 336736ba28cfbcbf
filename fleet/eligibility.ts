import { portsClash } from './compose/ports.ts';
import type { Allowance, Host } from './host.ts';
import type { AppSpec, PublishedPort, ServiceSpec } from './service.ts';

/** A host, as the placement uses it. */
export interface PlacementHost extends Pick<Host, 'id' | 'name' | 'labels' | 'draining'> {
  readonly facts: Pick<Host['facts'], 'platform' | 'allows' | 'ingress'>;
  /** New instances go to online hosts, if there are any. */
  readonly online: boolean;
  /** Ports that other apps publish there, as `80/tcp`, with the name of the app. */
  readonly ports: ReadonlyMap<string, string>;
  /** HTTP routes of other apps there, as `shop.example.com/path`, with the name of the app. */
  readonly routes?: ReadonlyMap<string, string>;
}

/** Why a host cannot run a service: the key that is the cause, and the end of a sentence about the host. */
export interface Clash {
  readonly key: string;
  readonly text: string;
}

/** Default capabilities of docker containers. */
const USUAL_CAPABILITIES = [
  ...['AUDIT_WRITE', 'CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'MKNOD', 'NET_BIND_SERVICE'],
  ...['NET_RAW', 'SETFCAP', 'SETGID', 'SETPCAP', 'SETUID', 'SYS_CHROOT'],
];

/** Returns the permissions that a service needs of a host, with the key that requires each. */
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

/** Returns why a host cannot run a service regardless of other services there. */
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

/** Reports whether two platforms are equal; a platform without a variant matches any variant. */
export function samePlatform(one: string, other: string): boolean {
  return one === other || one.startsWith(`${other}/`) || other.startsWith(`${one}/`);
}

/** Returns the host ports that a service uses, as `80/tcp`. */
export function publishedPorts(service: Pick<ServiceSpec, 'ports' | 'route'>): readonly string[] {
  return portsOf(service).flatMap(({ published, protocol }) =>
    published === undefined ? [] : [`${published}/${protocol}`],
  );
}

/** Returns the HTTP route of a service, as `shop.example.com/path`. */
export function routeOf({ route }: Pick<ServiceSpec, 'route'>): string | undefined {
  return route?.kind === 'http' ? `${route.host}${route.path}` : undefined;
}

/** The ports, routes and exclusive volumes of a host that are in use. */
export class HostClaims {
  readonly #spec: AppSpec;
  readonly #host: PlacementHost;
  readonly #services: ServiceSpec[] = [];

  constructor(spec: AppSpec, host: PlacementHost) {
    this.#spec = spec;
    this.#host = host;
  }

  /** Returns why a service conflicts with others on the host. */
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

/** Returns the volumes of a service that only one instance per host may use at a time. */
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
