import { describeConstraint, meets } from './constraints.ts';
import {
  type Clash,
  exclusiveVolumes,
  HostClaims,
  type PlacementHost,
  refusalOf,
  samePlatform,
} from './eligibility.ts';
import type { Placement } from './release.ts';
import { type AppSpec, isJob, type LabelConstraint, type ServiceSpec } from './service.ts';

/** Maximum instances of a service on one host. */
const MOST_ON_HOST = 100;

/** A reason against a placement: a sentence for the person who deploys. */
export interface PlacementProblem {
  /** The service; absent when the whole app is meant. */
  readonly service?: string;
  /** The key of the service in the Compose file. */
  readonly key?: string;
  readonly message: string;
}

export interface PlacementRequest {
  readonly spec: AppSpec;
  /** Platforms of the image of each service, such as `linux/amd64`; undefined if unknown, then not checked. */
  readonly platforms: ReadonlyMap<string, readonly string[] | undefined>;
  /** All hosts of the fleet. */
  readonly hosts: readonly PlacementHost[];
  /** Constraints of the app. */
  readonly on: readonly LabelConstraint[];
  /** Current placements; instances stay there if possible. */
  readonly before: readonly Placement[];
}

export interface PlacementResult {
  readonly placements: readonly Placement[];
  /** Any problem prevents the change. */
  readonly problems: readonly PlacementProblem[];
}

/**
 * Decides which hosts run which instances. A service without replicas runs once on each host of the app; otherwise its
 * instances are spread evenly. Existing instances stay if their host may still run them; an instance with a volume
 * stays even while its host drains. All jobs run on one host, with the services that they depend on. An app that cannot
 * be placed completely is refused, never placed in part.
 */
export function place(request: PlacementRequest): PlacementResult {
  const hosts = request.hosts
    .filter((host) => meets(host.labels, request.on))
    .toSorted((one, other) => compare(one.name, other.name));
  if (hosts.length === 0) return { placements: [], problems: [{ message: noHosts(request) }] };
  const placer = new Placer(request, hosts);
  const services = request.spec.services;
  // Immovable instances come first, so that no other takes their ports.
  const order = [...services.filter(hasVolume), ...services.filter((service) => !hasVolume(service))];
  for (const service of order) {
    if (!isJob(request.spec, service.name)) placer.place(service);
  }
  placer.placeJobs(services.filter(({ name }) => isJob(request.spec, name)));
  return {
    placements: services.flatMap(({ name }) => placer.placementsOf(name)),
    problems: placer.problems,
  };
}

/** Reports whether a service has data that stays on its host. */
export function hasVolume(service: ServiceSpec): boolean {
  return service.mounts.some((mount) => mount.type === 'volume' && mount.volume !== undefined);
}

class Placer {
  readonly problems: PlacementProblem[] = [];
  readonly #request: PlacementRequest;
  readonly #hosts: readonly PlacementHost[];
  readonly #claims: ReadonlyMap<string, HostClaims>;
  /** Instance numbers by service and host. */
  readonly #placed = new Map<string, Map<string, readonly number[]>>();

  constructor(request: PlacementRequest, hosts: readonly PlacementHost[]) {
    this.#request = request;
    this.#hosts = hosts;
    this.#claims = new Map(hosts.map((host) => [host.id, new HostClaims(request.spec, host)]));
  }

  placementsOf(service: string): readonly Placement[] {
    return [...(this.#placed.get(service) ?? [])].map(([host, instances]) => ({ service, host, instances }));
  }

  place(service: ServiceSpec): void {
    const wanted = this.#hosts.filter(
      (host) => meets(host.labels, service.constraints) && this.#isPlatform(service, host),
    );
    const kept = this.#kept(service, new Set(wanted.map((host) => host.id)));
    if (service.replicas === undefined) this.#placeOnEach(service, wanted, kept);
    else this.#spread(service, service.replicas, wanted, kept);
  }

  /** Places all jobs on the first eligible host, if possible one that runs their dependencies. */
  placeJobs(jobs: readonly ServiceSpec[]): void {
    const [first] = jobs;
    if (first === undefined) return;
    const names = new Set(jobs.map(({ name }) => name));
    const needs = jobs.flatMap(({ dependsOn }) => dependsOn.map(({ service }) => service));
    const needed = needs.filter((name) => !names.has(name) && this.#placed.has(name));
    const has = (host: PlacementHost) => needed.filter((name) => this.#placed.get(name)?.has(host.id)).length;
    const able = this.#hosts.filter(
      (host) => !host.draining && jobs.every((job) => this.#mayRun(job, host) === undefined),
    );
    const host = able.toSorted(
      (one, other) => has(other) - has(one) || Number(other.online) - Number(one.online),
    )[0];
    if (host === undefined) {
      const reasons = this.#hosts.map((candidate) => {
        const reason = jobs.map((job) => this.#mayRun(job, candidate)).find((one) => one !== undefined)?.text;
        return `${candidate.name} ${reason ?? (candidate.draining ? 'is draining' : 'is not able to')}`;
      });
      this.#refuse(first, `no host can run the jobs of this app (${listed([...names])}): ${listed(reasons)}`);
      return;
    }
    if (has(host) < needed.length) {
      const missing = needed.find((name) => !this.#placed.get(name)?.has(host.id)) ?? '';
      const job = jobs.find(({ dependsOn }) => dependsOn.some(({ service }) => service === missing)) ?? first;
      this.#refuse(job, `depends on ${missing}, which does not run on ${host.name}: jobs run on one host`);
    }
    for (const job of jobs) this.#placed.set(job.name, new Map([[host.id, [1]]]));
  }

  /**
   * Returns the existing instances that stay, by host. Adds a problem for an instance with a volume that would have to
   * move.
   */
  #kept(service: ServiceSpec, wanted: ReadonlySet<string>): Map<string, readonly number[]> {
    const kept = new Map<string, readonly number[]>();
    for (const { service: name, host: id, instances } of this.#request.before) {
      if (name !== service.name) continue;
      const host = this.#request.hosts.find((one) => one.id === id);
      if (host === undefined) continue;
      if (wanted.has(id) && (!host.draining || hasVolume(service))) kept.set(id, instances);
      else if (!wanted.has(id) && hasVolume(service)) {
        this.#refuse(
          service,
          `has a volume on ${host.name}, where it may no longer run: Berth does not move volumes`,
          'volumes',
        );
      }
    }
    return kept;
  }

  #placeOnEach(
    service: ServiceSpec,
    wanted: readonly PlacementHost[],
    kept: ReadonlyMap<string, readonly number[]>,
  ): void {
    const hosts = wanted.filter((host) => !host.draining || kept.has(host.id));
    if (hosts.length === 0) {
      this.#refuse(
        service,
        `no host of the app meets its constraints${this.#andPlatform(service)}`,
        'deploy',
      );
      return;
    }
    const numbers = new Numbers([...kept.values()].map((instances) => instances.slice(0, 1)));
    for (const host of hosts) {
      const reason = this.#mayRun(service, host);
      if (reason !== undefined) this.#refuse(service, `${host.name} ${reason.text}`, reason.key);
      else this.#add(service, host, [kept.get(host.id)?.[0] ?? numbers.next()]);
    }
  }

  #spread(
    service: ServiceSpec,
    replicas: number,
    wanted: readonly PlacementHost[],
    kept: ReadonlyMap<string, readonly number[]>,
  ): void {
    const reasons = new Map(wanted.map((host) => [host.id, this.#mayRun(service, host)]));
    const able = wanted.filter((host) => reasons.get(host.id) === undefined);
    const most = mostOnHost(service, this.#request.spec);
    const numbers = keepLowest(able, kept, replicas, most);
    for (const host of wanted) {
      if (!kept.has(host.id) || reasons.get(host.id) === undefined || !hasVolume(service)) continue;
      this.#refuse(
        service,
        `${host.name} ${reasons.get(host.id)?.text}, and Berth does not move its volume`,
        'volumes',
      );
    }
    const used = new Numbers([...numbers.values()]);
    let missing = replicas - [...numbers.values()].reduce((sum, instances) => sum + instances.length, 0);
    const open = able.filter((host) => !host.draining);
    const online = open.filter((host) => host.online);
    for (const hosts of [online, open]) {
      const order = hosts.toSorted((one, other) => this.#load(one) - this.#load(other));
      for (let level = 0; level < most && missing > 0; level += 1) {
        for (const host of order) {
          const instances = numbers.get(host.id) ?? [];
          if (instances.length !== level || missing === 0) continue;
          numbers.set(host.id, [...instances, used.next()]);
          missing -= 1;
        }
      }
    }
    for (const host of able) this.#add(service, host, numbers.get(host.id) ?? []);
    if (missing > 0)
      this.#refuse(service, this.#tooFew(service, replicas, replicas - missing, wanted, reasons), 'deploy');
  }

  #tooFew(
    service: ServiceSpec,
    replicas: number,
    possible: number,
    wanted: readonly PlacementHost[],
    reasons: ReadonlyMap<string, Clash | undefined>,
  ): string {
    const why = wanted.flatMap(({ id, name, draining }) => {
      const reason = reasons.get(id)?.text ?? (draining ? 'is draining' : undefined);
      return reason === undefined ? [] : [`${name} ${reason}`];
    });
    const most = service.maxPerHost === undefined ? '' : `, at most ${service.maxPerHost} on each`;
    const alone = isAlone(service, this.#request.spec)
      ? ', one on each because of its published port or exclusive volume'
      : most;
    const hosts =
      wanted.length === 0 ? `no host meets its constraints${this.#andPlatform(service)}` : listed(why);
    return `wants ${replicas} instances, but its hosts can have only ${possible}${alone}${hosts === '' ? '' : `: ${hosts}`}`;
  }

  #mayRun(service: ServiceSpec, host: PlacementHost): Clash | undefined {
    if (!meets(host.labels, service.constraints))
      return { key: 'deploy', text: 'does not meet its constraints' };
    if (!this.#isPlatform(service, host)) return { key: 'platform', text: `is ${host.facts.platform}` };
    const platforms = this.#request.platforms.get(service.name);
    return refusalOf(service, host, platforms) ?? this.#claims.get(host.id)?.clash(service);
  }

  /** `platform` of a service excludes other hosts, as a constraint does. */
  #isPlatform(service: ServiceSpec, host: PlacementHost): boolean {
    return service.platform === undefined || samePlatform(service.platform, host.facts.platform);
  }

  #andPlatform(service: ServiceSpec): string {
    return service.platform === undefined ? '' : ` and is ${service.platform}`;
  }

  /** Returns the number of the app's instances on a host so far. */
  #load(host: PlacementHost): number {
    return [...this.#placed.values()].reduce((sum, hosts) => sum + (hosts.get(host.id)?.length ?? 0), 0);
  }

  #add(service: ServiceSpec, host: PlacementHost, instances: readonly number[]): void {
    if (instances.length === 0) return;
    const hosts = this.#placed.get(service.name) ?? new Map<string, readonly number[]>();
    this.#placed.set(
      service.name,
      hosts.set(
        host.id,
        instances.toSorted((one, other) => one - other),
      ),
    );
    this.#claims.get(host.id)?.add(service);
  }

  #refuse({ name: service }: ServiceSpec, message: string, key?: string): void {
    this.problems.push({ service, ...(key !== undefined && { key }), message });
  }
}

/** Unused instance numbers, lowest first. */
class Numbers {
  readonly #used: Set<number>;
  #next = 1;

  constructor(used: readonly (readonly number[])[]) {
    this.#used = new Set(used.flat());
  }

  next(): number {
    while (this.#used.has(this.#next)) this.#next += 1;
    this.#next += 1;
    return this.#next - 1;
  }
}

/** Keeps the instances with the lowest numbers: at most `replicas` in all and `most` per host. */
function keepLowest(
  able: readonly PlacementHost[],
  kept: ReadonlyMap<string, readonly number[]>,
  replicas: number,
  most: number,
): Map<string, readonly number[]> {
  const all = able.flatMap(({ id }) =>
    (kept.get(id) ?? [])
      .toSorted((one, other) => one - other)
      .slice(0, most)
      .map((number) => ({ id, number })),
  );
  const numbers = new Map<string, readonly number[]>();
  for (const { id, number } of all.toSorted((one, other) => one.number - other.number).slice(0, replicas)) {
    numbers.set(id, [...(numbers.get(id) ?? []), number]);
  }
  return numbers;
}

function mostOnHost(service: ServiceSpec, spec: AppSpec): number {
  return isAlone(service, spec) ? 1 : Math.min(service.maxPerHost ?? MOST_ON_HOST, MOST_ON_HOST);
}

/** Reports whether a host can have only one instance of a service. */
function isAlone(service: ServiceSpec, spec: AppSpec): boolean {
  return (
    service.networkMode === 'host' ||
    service.ports.some(({ published }) => published !== undefined) ||
    exclusiveVolumes(spec, service).length > 0
  );
}

function noHosts({ hosts, on }: PlacementRequest): string {
  if (hosts.length === 0)
    return 'no host has joined: run `berth host token`, and `berth-agent join` on the host';
  return `no host has ${on.map(describeConstraint).join(' and ')}`;
}

/** Lists at most five texts, and the number of further ones. */
function listed(texts: readonly string[]): string {
  const more = texts.length - 5;
  return `${texts.slice(0, 5).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Compares independently of the locale. */
function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
