import type { LabelConstraint, Resources, RestartPolicy, UpdatePolicy } from '../service.ts';
import { quote } from './compose-error.ts';
import type { Field } from './field.ts';
import { KEYS } from './keys.ts';

/** Maximum instances of a service. */
const MOST_REPLICAS = 5000;
/** Default milliseconds without an exit until an instance counts as healthy. */
const MONITOR = 5000;
const ALWAYS: RestartPolicy = { name: 'always', maximumRetryCount: 0 };
const CONSTRAINT = /^node\.labels\.([A-Za-z0-9._/-]{1,128}) *(==|!=) *([^ ].{0,254})$/;

/** Reads `deploy.replicas` or `scale`; undefined: one instance on each host. */
export function readReplicas(service: Field): number | undefined {
  const deploy = service.get('deploy');
  const mode = deploy.get('mode').oneOf(['global', 'replicated', 'global-job', 'replicated-job']);
  if (mode === 'global-job' || mode === 'replicated-job') {
    deploy
      .get('mode')
      .refuse('a job is a service to which a depends_on refers with service_completed_successfully');
  }
  const replicas = deploy.get('replicas').integer(0, MOST_REPLICAS);
  const scale = service.get('scale').integer(0, MOST_REPLICAS);
  if (replicas !== undefined && scale !== undefined && replicas !== scale) {
    service.get('scale').refuse('differs from deploy.replicas: remove one of them');
  }
  const count = replicas ?? scale;
  if (mode === 'global' && count !== undefined) {
    deploy.get('mode').refuse('global means one instance on each host, so there are no replicas to count');
  }
  return count ?? (mode === 'replicated' ? 1 : undefined);
}

/** Reads `deploy.placement.max_replicas_per_node`; 0 means no limit, as in Swarm. */
export function readMaxPerHost(deploy: Field): number | undefined {
  return deploy.get('placement').get('max_replicas_per_node').integer(0, MOST_REPLICAS) || undefined;
}

/** Reads `deploy.placement.constraints`. */
export function readConstraints(deploy: Field): readonly LabelConstraint[] {
  const placement = deploy.get('placement').mapping(KEYS.placement);
  return placement
    .get('constraints')
    .list()
    .flatMap((item) => {
      const text = item.string();
      if (text === undefined) return item.isPresent ? [] : (item.refuse('must be a constraint') ?? []);
      const [, key, operator, value] = CONSTRAINT.exec(text.trim()) ?? [];
      if (key !== undefined && value !== undefined && (operator === '==' || operator === '!=')) {
        return [{ key, operator, value }];
      }
      return item.refuse(`${quote(text)} must be node.labels.KEY == VALUE or node.labels.KEY != VALUE`) ?? [];
    });
}

export function readUpdatePolicy(deploy: Field): UpdatePolicy {
  const update = deploy.get('update_config').mapping(KEYS.update_config);
  const parallelism = update.get('parallelism').integer(0, MOST_REPLICAS);
  return {
    ...(parallelism === undefined ? {} : { parallelism }),
    delay: update.get('delay').duration() ?? 0,
    order: update.get('order').oneOf(['start-first', 'stop-first']) ?? 'start-first',
    failureAction: update.get('failure_action').oneOf(['rollback', 'pause', 'continue']) ?? 'rollback',
    monitor: update.get('monitor').duration(3_600_000) ?? MONITOR,
    maxFailureRatio: update.get('max_failure_ratio').number(0, 1) ?? 0,
  };
}

/** Checks the keys of `deploy.rollback_config`, which have no effect: all hosts roll back at once. */
export function checkRollbackPolicy(deploy: Field): void {
  deploy.get('rollback_config').mapping(KEYS.rollback_config);
}

/** Reads `restart`, or `deploy.restart_policy`, which Compose prefers. */
export function readRestartPolicy(service: Field): RestartPolicy | undefined {
  const policy = service.get('deploy').get('restart_policy').mapping(KEYS.restart_policy);
  if (policy.isPresent) {
    const condition = policy.get('condition').oneOf(['none', 'on-failure', 'any', 'unless-stopped']) ?? 'any';
    const maximumRetryCount = policy.get('max_attempts').integer(0, 1_000_000) ?? 0;
    if (condition === 'on-failure') return { name: 'on-failure', maximumRetryCount };
    if (condition === 'none') return { name: 'no', maximumRetryCount: 0 };
    return condition === 'any' ? ALWAYS : { name: 'unless-stopped', maximumRetryCount: 0 };
  }
  const restart = service.get('restart');
  // YAML 1.1 reads an unquoted `no` as false.
  const text = restart.value === false ? 'no' : restart.string();
  if (text === undefined) return undefined;
  const retries = /^on-failure:(\d{1,6})$/.exec(text)?.[1];
  if (retries !== undefined) return { name: 'on-failure', maximumRetryCount: Number(retries) };
  const name = restart.with(text).oneOf(['no', 'always', 'on-failure', 'unless-stopped']);
  return name && { name, maximumRetryCount: 0 };
}

/** Reads the limits of `deploy.resources` and those of the service itself, which must agree. */
export function readResources(service: Field): Resources {
  const resources = service.get('deploy').get('resources').mapping(KEYS.resources);
  const limits = resources.get('limits').mapping(KEYS.limits);
  const reservations = resources.get('reservations').mapping(KEYS.reservations);
  const either = (one: Field, other: Field, read: (field: Field) => number | undefined): number => {
    const first = read(one);
    const second = read(other);
    if (first !== undefined && second !== undefined && first !== second) {
      one.refuse(`differs from ${other.path.slice(2).join('.')}: remove one of them`);
    }
    return first ?? second ?? 0;
  };
  return {
    memory: either(service.get('mem_limit'), limits.get('memory'), (field) => field.size()),
    memoryReservation: either(service.get('mem_reservation'), reservations.get('memory'), (field) =>
      field.size(),
    ),
    nanoCpus: either(service.get('cpus'), limits.get('cpus'), (field) => {
      const cpus = field.number(0, 10_000);
      return cpus === undefined ? undefined : Math.round(cpus * 1e9);
    }),
    pids: either(service.get('pids_limit'), limits.get('pids'), (field) => field.integer(-1, 2 ** 22)),
  };
}
