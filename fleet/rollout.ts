import type { Placement, ReleaseState } from './release.ts';
import type { AppReport } from './report.ts';
import type { AppSpec, UpdatePolicy } from './service.ts';

/** Time for which a host must be offline until a rollout goes on without it, ms. A short cut of the network is waited out. */
export const ABSENCE = 15_000;
/** Time that a host's own report of a timeout may need to arrive, ms. */
const MARGIN = 10_000;

/** How an app is brought to its hosts: the strictest of what its services ask for. */
export type RolloutPolicy = Pick<UpdatePolicy, 'parallelism' | 'delay' | 'failureAction' | 'maxFailureRatio'>;

/**
 * The way of a release to the hosts of its app, as data that a replica keeps and another can go on with. What each host
 * shall run follows from it (`intentOf`); what comes next follows from it and from what the hosts report (`advance`):
 *
 *     let rollout = startRollout({ app, release: 12, current: 11, … });
 *     for (;;) {
 *       // Set the target of each host to intentOf(rollout, host), then wait for a report.
 *       rollout = advance(rollout, hosts, Date.now());
 *     }
 *
 * The hosts of one wave at a time go to the new release. When too many fail, all hosts return to `current`.
 */
export interface Rollout {
  readonly version: 1;
  readonly app: string;
  readonly release: number;
  /** The release that the app goes back to; undefined: it had none that was healthy. */
  readonly current?: number;
  /** `moving`: the same release, with instances on other hosts. Its end does not end a release. */
  readonly kind: 'release' | 'moving';
  /** `rolling` and `rolling back` go on; the others are ends. */
  readonly phase: ReleaseState;
  readonly placements: readonly Placement[];
  /** Of `current`. */
  readonly currentPlacements: readonly Placement[];
  /** IDs of hosts. */
  readonly waves: readonly (readonly string[])[];
  /** Index of the wave that is under way. */
  readonly wave: number;
  /** The attempt of what hosts are told to run; it is higher than that of any rollout of the app before. */
  readonly attempt: number;
  /** The host that runs the jobs of the release; undefined: it has none, or they do not run again. */
  readonly jobHost?: string;
  readonly policy: RolloutPolicy;
  /** Ms that a host has. */
  readonly timeout: number;
  /** When this wave, or the rollback, began; ms since 1970. */
  readonly since: number;
  /** When the hosts of this wave were healthy, and the delay before the next began. */
  readonly waitingSince?: number;
  readonly failures: readonly HostFailure[];
  /** Hosts that were seen healthy on the release. */
  readonly reached: readonly string[];
  /** Why it failed. */
  readonly reason?: string;
}

export interface HostFailure {
  readonly host: string;
  readonly reason: string;
}

/** A host as a rollout sees it. */
export interface RolloutHost {
  readonly id: string;
  readonly name: string;
  readonly online: boolean;
  /** When it was last heard of; ms since 1970. */
  readonly seenAt?: number;
  readonly report?: AppReport;
}

export interface RolloutStart
  extends Pick<
    Rollout,
    'app' | 'release' | 'current' | 'kind' | 'placements' | 'currentPlacements' | 'timeout'
  > {
  readonly spec: AppSpec;
  readonly hosts: readonly RolloutHost[];
  /** The attempt of the last rollout of the app; 0 before the first. */
  readonly lastAttempt: number;
  /** Whether jobs run: not when an app goes back. */
  readonly jobs: boolean;
  /** Whether all hosts go at once: for a rollback, which is in a hurry. */
  readonly atOnce: boolean;
  readonly now: number;
}

/** Makes a rollout, at its first wave. */
export function startRollout(start: RolloutStart): Rollout {
  const { spec, hosts, lastAttempt, jobs, atOnce, now, ...terms } = start;
  const policy = policyOf(spec);
  const order = hosts
    .filter(({ id }) => [...terms.placements, ...terms.currentPlacements].some(({ host }) => host === id))
    .toSorted((a, b) => Number(b.online) - Number(a.online) || (a.name < b.name ? -1 : 1))
    .map(({ id }) => id);
  const jobNames = new Set(
    spec.services.flatMap(({ dependsOn }) =>
      dependsOn.flatMap(({ condition, service }) => (condition === 'completed' ? service : [])),
    ),
  );
  const jobHost = jobs ? terms.placements.find(({ service }) => jobNames.has(service))?.host : undefined;
  return {
    version: 1,
    ...terms,
    phase: 'rolling',
    waves: wavesOf(order, { policy, jobHost, atOnce, placements: terms.placements }),
    wave: 0,
    attempt: lastAttempt + 1,
    ...(jobHost !== undefined && { jobHost }),
    policy,
    since: now,
    failures: [],
    reached: [],
  };
}

/** The strictest of what the services of an app ask for. */
export function policyOf({ services }: AppSpec): RolloutPolicy {
  const updates = services.map(({ update }) => update);
  const widths = updates.flatMap(({ parallelism }) =>
    parallelism === undefined ? [] : parallelism || Number.POSITIVE_INFINITY,
  );
  const narrowest = Math.min(...widths);
  const has = (action: UpdatePolicy['failureAction']) =>
    updates.some(({ failureAction }) => failureAction === action);
  return {
    ...(widths.length > 0 && { parallelism: Number.isFinite(narrowest) ? narrowest : 0 }),
    delay: Math.max(0, ...updates.map(({ delay }) => delay)),
    failureAction: has('rollback') || updates.length === 0 ? 'rollback' : has('pause') ? 'pause' : 'continue',
    maxFailureRatio: Math.min(1, ...updates.map(({ maxFailureRatio }) => maxFailureRatio)),
  };
}

/** Hosts that gain nothing come last: what moves is there before it goes. */
function wavesOf(
  order: readonly string[],
  {
    policy: { parallelism },
    jobHost,
    atOnce,
    placements,
  }: Pick<Rollout, 'policy' | 'placements'> & {
    readonly jobHost: string | undefined;
    readonly atOnce: boolean;
  },
): readonly (readonly string[])[] {
  const gains = (id: string) => placements.some(({ host }) => host === id);
  const first = jobHost === undefined ? [] : [jobHost];
  const rest = order.filter((id) => id !== jobHost && gains(id));
  const last = order.filter((id) => id !== jobHost && !gains(id));
  const all = [...first, ...rest];
  const waves: (readonly string[])[] = [];
  if (atOnce) waves.push(...(first.length > 0 ? [first, rest] : [all]));
  else if (parallelism === undefined) {
    const quarter = 1 + Math.ceil((all.length - 1) / 4);
    waves.push(all.slice(0, 1), all.slice(1, quarter), all.slice(quarter));
  } else {
    // Jobs are over before any other host begins.
    if (first.length > 0) waves.push(first);
    const width = parallelism === 0 ? Math.max(1, rest.length) : parallelism;
    for (let at = 0; at < rest.length; at += width) waves.push(rest.slice(at, at + width));
  }
  return [...waves, last].filter(({ length }) => length > 0);
}

/**
 * What a host shall run. `run`: the release with this number. `keep`: what it has been told before, while it may fetch the
 * images of the release to come. `nothing`: the app is taken off.
 */
export type Intent =
  | { readonly kind: 'run'; readonly release: number; readonly attempt: number; readonly jobs: boolean }
  | { readonly kind: 'keep'; readonly prefetch: boolean }
  | { readonly kind: 'nothing' };

/** Returns what a host shall run at this point of a rollout. */
export function intentOf(rollout: Rollout, host: string): Intent {
  const { attempt, current, currentPlacements, jobHost, phase, placements, release, wave, waves } = rollout;
  const index = waves.findIndex((hosts) => hosts.includes(host));
  if (phase === 'superseded' || index < 0) return { kind: 'keep', prefetch: false };
  const goesBack = phase === 'rolling back' || phase === 'rolled back' || phase === 'rollback failed';
  if (goesBack || phase === 'failed') {
    const had = current !== undefined && currentPlacements.some((one) => one.host === host);
    return had ? { kind: 'run', release: current, attempt, jobs: false } : { kind: 'nothing' };
  }
  if (phase !== 'done' && index > wave) return { kind: 'keep', prefetch: phase === 'rolling' };
  if (!placements.some((one) => one.host === host)) return { kind: 'nothing' };
  return { kind: 'run', release, attempt, jobs: jobHost === host };
}

export function hasEnded({ phase }: Pick<Rollout, 'phase'>): boolean {
  return phase !== 'rolling' && phase !== 'rolling back';
}

/** Returns what comes after a rollout, given what its hosts report; the same object when nothing changes. */
export function advance(rollout: Rollout, hosts: readonly RolloutHost[], now: number): Rollout {
  if (hasEnded(rollout)) return rollout;
  return rollout.phase === 'rolling' ? advanceWave(rollout, hosts, now) : advanceBack(rollout, hosts, now);
}

function advanceWave(rollout: Rollout, hosts: readonly RolloutHost[], now: number): Rollout {
  const { policy, wave, waves } = rollout;
  const members = waves[wave] ?? [];
  const wanted = { release: rollout.release, placements: rollout.placements };
  const seen = members.map((id) => observe(rollout, wanted, hosts, id, now));
  const fresh = seen.flatMap(({ host, failure }) =>
    failure === undefined || rollout.failures.some((known) => known.host === host)
      ? []
      : [{ host, reason: failure }],
  );
  const healthy = seen.flatMap(({ host, status }) =>
    status === 'settled' && !rollout.reached.includes(host) ? host : [],
  );
  const changed = fresh.length > 0 || healthy.length > 0;
  const next: Rollout = changed
    ? {
        ...rollout,
        failures: [...rollout.failures, ...fresh],
        reached: [...rollout.reached, ...healthy],
      }
    : rollout;
  const all = waves.flat().length;
  const [failure] = next.failures;
  if (failure !== undefined && policy.failureAction !== 'continue') {
    if (next.failures.length / all > policy.maxFailureRatio) return fail(next, failure.reason, now);
  }
  if (seen.some(({ status }) => status === 'pending')) return next;
  if (next.waitingSince === undefined && policy.delay > 0 && wave + 1 < waves.length) {
    return { ...next, waitingSince: now };
  }
  if (next.waitingSince !== undefined && now - next.waitingSince < policy.delay) return next;
  const { waitingSince: _, ...rest } = next;
  if (wave + 1 < waves.length) return { ...rest, wave: wave + 1, since: now };
  if (next.reached.length === 0) {
    return fail(rest, failure?.reason ?? 'no host of the app could be reached', now);
  }
  return { ...rest, phase: 'done', ...(failure !== undefined && { reason: failure.reason }) };
}

/** A rollout that moves instances within a release has nothing to go back to: what still runs stays. */
function fail(rollout: Rollout, reason: string, now: number): Rollout {
  if (rollout.policy.failureAction === 'pause' || rollout.kind === 'moving') {
    return { ...rollout, phase: 'paused', reason };
  }
  if (rollout.current === undefined) return { ...rollout, phase: 'failed', reason };
  const { waitingSince: _, ...rest } = rollout;
  return { ...rest, phase: 'rolling back', reason, since: now, attempt: rollout.attempt + 1 };
}

function advanceBack(rollout: Rollout, hosts: readonly RolloutHost[], now: number): Rollout {
  const { current = 0, currentPlacements, waves } = rollout;
  const wanted = { release: current, placements: currentPlacements };
  const seen = waves.flat().map((id) => observe(rollout, wanted, hosts, id, now));
  const failed = seen.find(({ failure }) => failure !== undefined);
  if (failed?.failure !== undefined) {
    return {
      ...rollout,
      phase: 'rollback failed',
      reason: `${rollout.reason ?? ''}; then release ${current} failed too: ${failed.failure}`,
    };
  }
  if (seen.some(({ status }) => status === 'pending')) return rollout;
  if (!seen.some(({ status }) => status === 'settled')) {
    return now - rollout.since > rollout.timeout + MARGIN
      ? { ...rollout, phase: 'rollback failed', reason: `${rollout.reason ?? ''}; no host could be reached` }
      : rollout;
  }
  return { ...rollout, phase: 'rolled back' };
}

interface Observed {
  readonly host: string;
  /** `absent`: it is offline for long, or was removed; it takes what it was told when it comes back. */
  readonly status: 'settled' | 'failed' | 'pending' | 'absent';
  readonly failure?: string;
}

function observe(
  { app, attempt, since, timeout }: Rollout,
  { release, placements }: { readonly release: number; readonly placements: readonly Placement[] },
  hosts: readonly RolloutHost[],
  id: string,
  now: number,
): Observed {
  const host = hosts.find((one) => one.id === id);
  if (host === undefined) return { host: id, status: 'absent' };
  const { name, report } = host;
  if (!placements.some((one) => one.host === id)) {
    if (report === undefined || report.phase === 'stopped') return { host: id, status: 'settled' };
  } else if (report?.release === release && report.attempt === attempt) {
    if (report.phase === 'healthy') return { host: id, status: 'settled' };
    if (report.phase === 'failed') {
      return { host: id, status: 'failed', failure: `${name}: ${report.reason ?? `${app} failed`}` };
    }
  }
  if (!host.online && now - Math.max(host.seenAt ?? 0, since) >= ABSENCE)
    return { host: id, status: 'absent' };
  if (now - since <= timeout + MARGIN) return { host: id, status: 'pending' };
  const seconds = Math.round(timeout / 1000);
  return {
    host: id,
    status: 'failed',
    failure: `${name}: release ${release} was not healthy within ${seconds} s`,
  };
}
