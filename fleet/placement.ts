import type { Allowance, Host } from './host.ts';
import type { Placement } from './release.ts';
import { type AppSpec, isJob, type LabelConstraint, type ServiceSpec } from './service.ts';

/** A host as a placement sees it. */
export interface PlacementHost extends Pick<Host, 'id' | 'name' | 'labels' | 'draining' | 'facts'> {
  /** Online: rollouts begin with these. */
  readonly online: boolean;
  /** Ports that other apps publish there, as `80/tcp`. */
  readonly ports: ReadonlyMap<string, string>;
}

/** What stands in the way of a placement: a sentence for the person who deploys. */
export interface PlacementProblem {
  /** A service; absent when the app as a whole is meant. */
  readonly service?: string;
  /** The key of the service in the Compose file. */
  readonly key?: string;
  readonly message: string;
}

export interface PlacementRequest {
  readonly spec: AppSpec;
  /** By service; undefined: not known. */
  readonly platforms: ReadonlyMap<string, readonly string[] | undefined>;
  readonly hosts: readonly PlacementHost[];
  readonly on: readonly LabelConstraint[];
  /** Of the release before; stays as far as it can. */
  readonly before: readonly Placement[];
}

export interface PlacementResult {
  readonly placements: readonly Placement[];
  /** If there are any, nothing may be changed. */
  readonly problems: readonly PlacementProblem[];
}

/** Capabilities that a container has anyway, so that adding them again after `cap_drop: [ALL]` gives nothing more. */
const ORDINARY: ReadonlySet<string> = new Set([
  ...['AUDIT_WRITE', 'CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'MKNOD', 'NET_BIND_SERVICE'],
  ...['NET_RAW', 'SETFCAP', 'SETGID', 'SETPCAP', 'SETUID', 'SYS_CHROOT'],
]);

/** Instances of a service that one host may have. */
const MAX_INSTANCES = 100;

/**
 * Decides which hosts run which instances. A service without `replicas` has one on each host that meets the constraints of
 * the app and its own; a service with `replicas` has that many in all, spread evenly. Instances stay where they are as long
 * as their host may have them; those of a service with a named volume stay even when their host drains. A job has one
 * instance, on the first online host.
 */
export function place(request: PlacementRequest): PlacementResult {
  const problems: PlacementProblem[] = [];
  const placements: Placement[] = [];
  for (const service of request.spec.services) {
    const result = placeService(service, request);
    if ('message' in result) problems.push(result);
    else placements.push(...result.placements);
  }
  problems.push(...clashesOf(request, placements));
  return { placements, problems };
}

function placeService(
  service: ServiceSpec,
  { spec, hosts, on, before, platforms }: PlacementRequest,
): { readonly placements: readonly Placement[] } | PlacementProblem {
  const { name } = service;
  const own = before.filter((placement) => placement.service === name);
  const isHome = (id: string) => own.some(({ host }) => host === id);
  const matching = hosts.filter(({ labels }) => meets(labels, [...on, ...service.constraints]));
  if (matching.length === 0) {
    const wanted = [...on, ...service.constraints].map(describeConstraint).join(' and ');
    return { service: name, message: `no host has ${wanted === '' ? 'joined' : wanted}` };
  }
  const offered = platforms.get(name);
  const fitting = matching.filter(({ facts }) => offered === undefined || offered.includes(facts.platform));
  if (fitting.length === 0) {
    const needs = [...new Set(matching.map(({ facts }) => facts.platform))].join(', ');
    return { service: name, key: 'image', message: `the image has no platform of these hosts (${needs})` };
  }
  const stays = service.mounts.some((mount) => mount.type === 'volume' && mount.volume !== undefined);
  const usable = fitting.filter(({ id, draining }) => !draining || (stays && isHome(id)));
  if (usable.length === 0) return { service: name, message: 'all of its hosts drain' };
  const refused = usable.flatMap((host) => missingAllowances(service, host));
  if (refused[0] !== undefined) return { service: name, ...refused[0] };
  const ordered = usable.toSorted((a, b) => Number(b.online) - Number(a.online) || compare(a.name, b.name));
  if (isJob(spec, name)) {
    const [first] = ordered;
    return { placements: first === undefined ? [] : [{ service: name, host: first.id, instances: [1] }] };
  }
  if (service.replicas === undefined) return { placements: onePerHost(name, ordered, own) };
  if (service.replicas > MAX_INSTANCES * ordered.length) {
    return { service: name, key: 'deploy', message: `a host has at most ${MAX_INSTANCES} instances` };
  }
  const homes = own.filter(({ host }) => ordered.some(({ id }) => id === host));
  const absent = own.filter((placement) => !homes.includes(placement) && stays);
  const moved = absent.find(({ host }) => hosts.some(({ id }) => id === host));
  if (moved !== undefined) {
    const { name: host = moved.host } = hosts.find(({ id }) => id === moved.host) ?? {};
    return {
      service: name,
      message: `it has a volume on ${host}, which it may not use any more: volumes do not move by themselves`,
    };
  }
  return { placements: spread(name, service.replicas, ordered, homes) };
}

/** Numbers go up by host; a host keeps its number. */
function onePerHost(
  service: string,
  hosts: readonly PlacementHost[],
  own: readonly Placement[],
): readonly Placement[] {
  const taken = new Set<number>();
  const kept = new Map<string, number>();
  for (const { host, instances } of own) {
    const [number] = instances;
    if (number === undefined || taken.has(number) || !hosts.some(({ id }) => id === host)) continue;
    kept.set(host, number);
    taken.add(number);
  }
  const free = freeNumbers(taken);
  return hosts.map(({ id }) => ({ service, host: id, instances: [kept.get(id) ?? free()] }));
}

function spread(
  service: string,
  replicas: number,
  hosts: readonly PlacementHost[],
  own: readonly Placement[],
): readonly Placement[] {
  const least = Math.floor(replicas / hosts.length);
  const most = Math.ceil(replicas / hosts.length);
  const taken = new Set<number>();
  const kept = new Map<string, number[]>(hosts.map(({ id }) => [id, []]));
  // Hosts with more than their share come first, so that as few as can be move.
  const byCount = hosts.toSorted((a, b) => countOf(own, b.id) - countOf(own, a.id));
  let extra = replicas - least * hosts.length;
  for (const { id } of byCount) {
    const had = own.filter(({ host }) => host === id).flatMap(({ instances }) => instances);
    const share = extra > 0 && had.length > least ? most : least;
    if (share > least) extra -= 1;
    const numbers = had.filter((number) => !taken.has(number)).slice(0, share);
    for (const number of numbers) taken.add(number);
    kept.set(id, numbers);
  }
  const free = freeNumbers(taken);
  let missing = replicas - taken.size;
  for (let level = 1; missing > 0; level += 1) {
    for (const { id } of hosts) {
      const numbers = kept.get(id);
      if (missing === 0 || numbers === undefined || numbers.length >= level) continue;
      numbers.push(free());
      missing -= 1;
    }
  }
  return hosts.flatMap(({ id }) => {
    const instances = (kept.get(id) ?? []).toSorted((a, b) => a - b);
    return instances.length === 0 ? [] : [{ service, host: id, instances }];
  });
}

function countOf(placements: readonly Placement[], id: string): number {
  return placements.filter(({ host }) => host === id).flatMap(({ instances }) => instances).length;
}

/** Returns a function that gives the lowest numbers that are not taken, from 1. */
function freeNumbers(taken: ReadonlySet<number>): () => number {
  let next = 0;
  return () => {
    do next += 1;
    while (taken.has(next));
    return next;
  };
}

function missingAllowances(
  service: ServiceSpec,
  { name, facts }: PlacementHost,
): readonly { readonly key: string; readonly message: string }[] {
  return needsOf(service).flatMap(({ allowance, key }) =>
    facts.allows.includes(allowance)
      ? []
      : [{ key, message: `the host ${name} does not allow it: join it with --allow ${allowance}` }],
  );
}

/** What a host must allow for a service, with the key that asks for it. */
export function needsOf(
  service: ServiceSpec,
): readonly { readonly allowance: Allowance; readonly key: string }[] {
  const { devices, ipc, mounts, networkMode, pid, privileged, capAdd, securityOpt } = service;
  const raising = capAdd.some((name) => !ORDINARY.has(name.toUpperCase().replace(/^CAP_/, '')));
  const unconfined = securityOpt.some((option) => !/^no-new-privileges(?:[:=]true)?$/.test(option));
  return [
    ...(privileged ? [{ allowance: 'privileged', key: 'privileged' } as const] : []),
    ...(raising ? [{ allowance: 'privileged', key: 'cap_add' } as const] : []),
    ...(unconfined ? [{ allowance: 'privileged', key: 'security_opt' } as const] : []),
    ...(networkMode === 'host' ? [{ allowance: 'host-network', key: 'network_mode' } as const] : []),
    ...(pid === 'host' || ipc === 'host' ? [{ allowance: 'host-pid', key: 'pid' } as const] : []),
    ...(mounts.some(({ type }) => type === 'bind') ? [{ allowance: 'bind', key: 'volumes' } as const] : []),
    ...(devices.length > 0 ? [{ allowance: 'device', key: 'devices' } as const] : []),
  ];
}

/** Ports that two instances of a host would publish, and exclusive volumes that two would have. */
function clashesOf(
  { spec, hosts }: PlacementRequest,
  placements: readonly Placement[],
): readonly PlacementProblem[] {
  const problems: PlacementProblem[] = [];
  const exclusive = new Set(spec.volumes.filter((volume) => volume.exclusive).map(({ name }) => name));
  for (const host of hosts) {
    const ports = new Map(host.ports);
    const owners = new Map<string, string>();
    for (const service of spec.services) {
      const here = placements.find((one) => one.service === service.name && one.host === host.id);
      if (here === undefined || isJob(spec, service.name)) continue;
      for (const { key, count, noun, name } of claimsOf(service, exclusive, here.instances.length)) {
        const owner = noun === 'port' ? ports.get(key) : owners.get(key);
        const clash = owner ?? (count > 1 ? 'another instance of it' : undefined);
        if (clash === undefined) (noun === 'port' ? ports : owners).set(key, `the service ${service.name}`);
        else {
          const message = `the ${noun} ${name} of the host ${host.name} would be taken twice: ${clash} has it`;
          problems.push({ service: service.name, key: noun === 'port' ? 'ports' : 'volumes', message });
        }
      }
    }
  }
  return problems;
}

interface Claim {
  readonly noun: 'port' | 'volume';
  readonly key: string;
  readonly name: string;
  readonly count: number;
}

function claimsOf(service: ServiceSpec, exclusive: ReadonlySet<string>, count: number): readonly Claim[] {
  const { ports, route } = service;
  const port = (key: string, takers: number): Claim => ({ noun: 'port', key, name: key, count: takers });
  const volumes = service.mounts.flatMap((mount): readonly Claim[] =>
    mount.type === 'volume' && mount.volume !== undefined && exclusive.has(mount.volume)
      ? [{ noun: 'volume', key: mount.volume, name: mount.volume, count }]
      : [],
  );
  return [
    ...publishedPorts({ ports }).map((key) => port(key, count)),
    // The ingress listens once for all instances.
    ...publishedPorts({ ports: [], ...(route && { route }) }).map((key) => port(key, 1)),
    ...volumes,
  ];
}

/** The ports of a host that a service takes there, as `80/tcp`. */
export function publishedPorts({ ports, route }: Pick<ServiceSpec, 'ports' | 'route'>): readonly string[] {
  const published = ports.flatMap((port) =>
    port.published === undefined ? [] : [`${port.published}/${port.protocol}`],
  );
  return route?.kind === 'tcp' ? [...published, `${route.listen}/tcp`] : published;
}

/** Reports whether labels meet all constraints. */
export function meets(
  labels: Readonly<Record<string, string>>,
  constraints: readonly LabelConstraint[],
): boolean {
  return constraints.every(({ key, operator, value }) => {
    const is = Object.hasOwn(labels, key) && labels[key] === value;
    return operator === '==' ? is : !is;
  });
}

/** Returns `role=web` or `role!=web`. */
export function describeConstraint({ key, operator, value }: LabelConstraint): string {
  return `${key}${operator === '==' ? '=' : '!='}${value}`;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
