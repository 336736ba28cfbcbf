import type { AppTarget, ServiceTarget } from '../target.ts';
import { claimsClash, claimsOf } from './claims.ts';
import {
  type HostApp,
  type HostContainer,
  type HostPlan,
  type HostStep,
  imageKey,
  isUp,
  projectOf,
} from './host-app.ts';
import { retire, routeSteps } from './retire.ts';

/** Returns the container of each wanted instance, if it exists. */
export function currentContainers(app: HostApp, target: AppTarget): ReadonlySet<HostContainer> {
  const found = instancesOf(target).map(({ service, instance }) => currentOf(app, service, instance));
  return new Set(found.filter((container) => container !== undefined));
}

/**
 * Returns the steps that are possible now to make every instance of the target healthy and routed, and to stop all
 * others; none when that is achieved. The phase is `draining` once all are healthy and routed.
 */
export function bringUp(app: HostApp, target: AppTarget): HostPlan {
  const fetching = fetchSteps(app, target);
  if (fetching.length > 0) {
    return { phase: fetching.some(({ kind }) => kind === 'pull') ? 'fetching' : 'starting', steps: fetching };
  }
  const starting = startSteps(app, target);
  if (starting !== undefined) return { phase: 'starting', steps: starting };
  const current = currentContainers(app, target);
  const routing = routeSteps(
    app,
    [...current].filter(({ hasRoute }) => hasRoute),
  );
  if (routing.length > 0) return { phase: 'starting', steps: routing };
  const old = app.containers.filter((one) => isUp(one) && !current.has(one));
  return { phase: 'draining', steps: retire(app, old, { remove: false }) };
}

/** Steps that must complete before anything starts. */
function fetchSteps(app: HostApp, target: AppTarget): readonly HostStep[] {
  const { services, networks, volumes } = target.release;
  const pulls = new Map<string, HostStep>();
  for (const service of services) {
    const { image, spec } = service;
    const key = imageKey(image);
    if (app.images.has(key) || !isWanting(app, target, service)) continue;
    const { platform } = spec;
    pulls.set(key, { kind: 'pull', image, ...(platform !== undefined && { platform }) });
  }
  return [
    ...pulls.values(),
    ...networks
      .filter(({ name }) => !app.networks.has(name))
      .map(({ name }): HostStep => ({ kind: 'create-network', network: name })),
    ...volumes
      .filter(({ name }) => !app.volumes.has(name))
      .map(({ name }): HostStep => ({ kind: 'create-volume', volume: name })),
  ];
}

/** Reports whether a container of this service must still be created. */
function isWanting(app: HostApp, target: AppTarget, service: ServiceTarget): boolean {
  if (service.job)
    return app.jobs[service.spec.name] === undefined && jobOf(app, target, service) === undefined;
  return service.instances.some((instance) => currentOf(app, service, instance) === undefined);
}

/** Returns undefined when all jobs are done and all instances are healthy. */
function startSteps(app: HostApp, target: AppTarget): readonly HostStep[] | undefined {
  const stale = app.containers.filter((one) => one.job && isUp(one) && !isJobOf(one, target));
  if (stale.length > 0) return retire(app, stale, { remove: false });
  const beforeJobs = neededByJobs(target);
  const jobs = target.release.services.filter(({ job }) => job);
  const jobsDone = jobs.every(({ spec }) => app.jobs[spec.name] === 0);
  const steps: HostStep[] = [];
  const blockers = new Set<HostContainer>();
  let isComplete = jobsDone;
  for (const service of target.release.services) {
    const mayRun = isReady(app, target, service) && (jobsDone || beforeJobs.has(service.spec.name));
    const waiting = service.job
      ? jobSteps(app, target, service)
      : service.instances.flatMap((instance) =>
          instanceSteps(app, target, service, instance, blockers, mayRun),
        );
    if (waiting.length === 0) continue;
    isComplete = false;
    if (mayRun) steps.push(...waiting.flatMap(({ step }) => step ?? []));
  }
  if (steps.length > 0) return steps;
  if (blockers.size > 0) return retire(app, [...blockers], { remove: false });
  return isComplete ? undefined : [];
}

/** A missing condition of an instance or job; without a step it waits for others. */
interface Waiting {
  readonly step?: HostStep;
}

function instanceSteps(
  app: HostApp,
  target: AppTarget,
  service: ServiceTarget,
  instance: number,
  blockers: Set<HostContainer>,
  mayRun: boolean,
): readonly Waiting[] {
  const { name } = service.spec;
  const found = currentOf(app, service, instance);
  if (found === undefined) {
    return [
      { step: { kind: 'create', service: name, instance, name: freeName(app, target, name, instance) } },
    ];
  }
  const { id: container } = found;
  // If it ends later, its restart policy starts it again.
  if (found.passed && (isUp(found) || app.outcome === 'done')) return [];
  if (isUp(found) || found.tried) return [{ step: { kind: 'wait-healthy', container, service: name } }];
  const inTheWay = app.containers.filter((one) => isInTheWay(one, app, target, service, instance));
  if (inTheWay.length === 0) return [{ step: { kind: 'start', container } }];
  if (mayRun) for (const one of inTheWay) blockers.add(one);
  return [{}];
}

/** Reports whether an obsolete running container must stop before this instance starts. */
function isInTheWay(
  one: HostContainer,
  app: HostApp,
  target: AppTarget,
  service: ServiceTarget,
  instance: number,
): boolean {
  if (!isUp(one) || one.job || currentContainers(app, target).has(one)) return false;
  const { spec } = service;
  const isPredecessor = one.service === spec.name && one.instance === instance;
  if (isPredecessor && spec.update.order === 'stop-first') return true;
  return claimsClash(one.claims, claimsOf(spec, target.release.volumes));
}

function jobSteps(app: HostApp, target: AppTarget, service: ServiceTarget): readonly Waiting[] {
  const { name } = service.spec;
  if (app.jobs[name] !== undefined) return app.jobs[name] === 0 ? [] : [{}];
  const found = jobOf(app, target, service);
  if (found === undefined) {
    return [{ step: { kind: 'create', service: name, instance: 1, name: freeName(app, target, name, 1) } }];
  }
  const { id: container } = found;
  if (found.state === 'created') return [{ step: { kind: 'start', container } }];
  return [{ step: { kind: 'wait-job', container, service: name } }];
}

/** Reports whether the dependencies of a service are met. The registry orders services on different hosts. */
function isReady(app: HostApp, target: AppTarget, { spec }: ServiceTarget): boolean {
  return spec.dependsOn.every(({ service: name, condition }) => {
    const other = target.release.services.find((one) => one.spec.name === name);
    if (other === undefined) return true;
    if (other.job) return app.jobs[name] === 0;
    return other.instances.every((instance) => {
      const found = currentOf(app, other, instance);
      if (found === undefined || !isUp(found)) return false;
      return found.passed || (condition === 'started' && found.tried);
    });
  });
}

/** Returns the names of the services that jobs depend on, directly or indirectly. */
function neededByJobs(target: AppTarget): ReadonlySet<string> {
  const { services } = target.release;
  const needed = new Set<string>();
  const visit = (name: string) => {
    if (needed.has(name)) return;
    needed.add(name);
    const found = services.find(({ spec }) => spec.name === name);
    for (const { service } of found?.spec.dependsOn ?? []) visit(service);
  };
  for (const { job, spec } of services) if (job) visit(spec.name);
  return needed;
}

/** Returns the container of an instance with the same hash, of whichever release and attempt. */
function currentOf(app: HostApp, { spec, hash }: ServiceTarget, instance: number): HostContainer | undefined {
  const rank = (one: HostContainer) =>
    Number(isUp(one)) * 4 + Number(one.passed) * 2 + Number(one.state === 'created');
  return app.containers
    .filter((one) => !one.job && one.service === spec.name && one.instance === instance && one.hash === hash)
    .sort((a, b) => rank(b) - rank(a) || (a.id < b.id ? -1 : 1))[0];
}

function jobOf(app: HostApp, target: AppTarget, { spec }: ServiceTarget): HostContainer | undefined {
  return app.containers.find((one) => one.service === spec.name && isJobOf(one, target));
}

function isJobOf(one: HostContainer, { release, attempt }: AppTarget): boolean {
  return one.job && one.release === release.number && one.attempt === attempt;
}

function instancesOf(target: AppTarget) {
  return target.release.services
    .filter(({ job }) => !job)
    .flatMap((service) => service.instances.map((instance) => ({ service, instance })));
}

/** Returns `PROJECT-SERVICE-INSTANCE`, with the release and attempt appended while the name is taken. */
export function freeName(
  app: Pick<HostApp, 'containers'>,
  { app: name, release, attempt }: AppTarget,
  service: string,
  instance: number,
): string {
  const short = `${projectOf(name)}-${service}-${instance}`;
  const taken = new Set(app.containers.map((one) => one.name));
  const names = [short, `${short}-r${release.number}`, `${short}-r${release.number}-${attempt}`];
  return (
    names.find((candidate) => !taken.has(candidate)) ?? `${short}-r${release.number}-${attempt}-${taken.size}`
  );
}
