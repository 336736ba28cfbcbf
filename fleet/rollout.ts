import type { Placement, ReleaseState } from './release.ts';
import type { AppReport } from './report.ts';
import { policyOf, type RolloutPolicy, wavesOf } from './rollout-policy.ts';
import type { AppSpec } from './service.ts';

/** Time for which a host must be offline until a rollout goes on without it, ms. A short cut of the network is waited out. */
export const ABSENCE = 15_000;
/** Time in which hosts connect again to a registry that was away for long, ms: an agent pauses up to a minute. */
const RETURN = 75_000;
/** Time that a host's own report of a timeout may need to arrive, ms. */
const MARGIN = 10_000;
/** Time that the report of an instance that ended while it was watched may need to arrive, ms. */
const WATCH_MARGIN = 500;

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
  /** Whether all hosts go at once: for a rollback, which is in a hurry. */
  readonly atOnce: boolean;
  /** The release has the content of one that was healthy: hosts do not watch it, and so the rollout does not. */
  readonly proven?: boolean;
  /** Ms that a host has. */
  readonly timeout: number;
  /** Ms that a host may need beside that for what it drains and stops; absent: none. */
  readonly grace?: number;
  /** When this wave, or the rollback, began; ms since 1970. */
  readonly since: number;
  /** When the hosts of this wave were healthy, and the delay before the next wave, or the watch after the last, began. */
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
    | 'app'
    | 'release'
    | 'current'
    | 'kind'
    | 'placements'
    | 'currentPlacements'
    | 'timeout'
    | 'atOnce'
    | 'proven'
  > {
  readonly spec: AppSpec;
  readonly hosts: readonly RolloutHost[];
  /** The attempt of the last rollout of the app; 0 before the first. */
  readonly lastAttempt: number;
  /** Whether jobs run: not when an app goes back. */
  readonly jobs: boolean;
  readonly now: number;
}

/** Makes a rollout, at its first wave. */
export function startRollout(start: RolloutStart): Rollout {
  const { spec, hosts, lastAttempt, jobs, now, ...terms } = start;
  const policy = policyOf(spec);
  const placed = new Set([...terms.placements, ...terms.currentPlacements].map(({ host }) => host));
  // A release that was superseded may have brought the app to hosts of neither.
  const runs = ({ report }: RolloutHost) => report !== undefined && report.phase !== 'stopped';
  const order = onlineFirst(hosts.filter((host) => placed.has(host.id) || runs(host)));
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
    waves: wavesOf(order, { policy, jobHost, atOnce: terms.atOnce, placements: terms.placements }),
    wave: 0,
    attempt: lastAttempt + 1,
    ...(jobHost !== undefined && { jobHost }),
    policy,
    grace: 2 * Math.max(0, ...spec.services.map(({ stopGracePeriod }) => stopGracePeriod)),
    since: now,
    failures: [],
    reached: [],
  };
}

/**
 * What a host shall run. `run`: the release with this number. `keep`: what it has been told before, while it may fetch the
 * images of the release to come. `nothing`: the app is taken off.
 */
export type Intent =
  | {
      readonly kind: 'run';
      readonly release: number;
      readonly attempt: number;
      readonly jobs: boolean;
      readonly proven?: boolean;
    }
  | { readonly kind: 'keep'; readonly prefetch: boolean }
  | { readonly kind: 'nothing' };

/** Returns what a host shall run at this point of a rollout. */
export function intentOf(rollout: Rollout, host: string): Intent {
  const { attempt, current, currentPlacements, jobHost, phase, placements, proven, release, wave, waves } =
    rollout;
  const index = waves.findIndex((hosts) => hosts.includes(host));
  if (phase === 'superseded' || index < 0) return { kind: 'keep', prefetch: false };
  const goesBack = phase === 'rolling back' || phase === 'rolled back' || phase === 'rollback failed';
  if (goesBack || phase === 'failed') {
    const had = current !== undefined && currentPlacements.some((one) => one.host === host);
    return had ? { kind: 'run', release: current, attempt, jobs: false } : { kind: 'nothing' };
  }
  if (phase !== 'done' && index > wave) return { kind: 'keep', prefetch: phase === 'rolling' };
  if (!placements.some((one) => one.host === host)) return { kind: 'nothing' };
  return { kind: 'run', release, attempt, jobs: jobHost === host, ...(proven === true && { proven }) };
}

export function hasEnded({ phase }: Pick<Rollout, 'phase'>): boolean {
  return phase !== 'rolling' && phase !== 'rolling back';
}

/** The hosts of a rollout as this registry sees them. */
interface View {
  readonly hosts: ReadonlyMap<string, RolloutHost>;
  readonly now: number;
  /** Since when this registry hears its hosts. */
  readonly listeningSince: number;
  readonly isAnyOnline: boolean;
}

/**
 * Returns what comes after a rollout, given what its hosts report; the same object when nothing changes. Hosts that were
 * not heard since `listeningSince`, ms since 1970, have ABSENCE from then on: a registry that has just started hears none.
 */
export function advance(
  rollout: Rollout,
  hosts: readonly RolloutHost[],
  now: number,
  listeningSince = 0,
): Rollout {
  if (hasEnded(rollout)) return rollout;
  const known = new Map(hosts.map((host) => [host.id, host]));
  const isAnyOnline = rollout.waves.flat().some((id) => known.get(id)?.online === true);
  const view = { hosts: known, now, listeningSince, isAnyOnline };
  return rollout.phase === 'rolling' ? advanceWave(rollout, view) : advanceBack(rollout, view);
}

function advanceWave(rollout: Rollout, view: View): Rollout {
  const { policy, wave, waves } = rollout;
  const { now } = view;
  const isLast = wave + 1 >= waves.length;
  // Hosts of earlier waves may fail as well, as long as they watch what they have started.
  const seen = waves
    .slice(0, wave + 1)
    .flat()
    .map((id) => observe(rollout, view, id));
  const next = record(rollout, seen);
  const [failure] = next.failures;
  if (failure !== undefined && policy.failureAction !== 'continue') {
    if (next.failures.length / waves.flat().length > policy.maxFailureRatio) {
      return fail(next, failure.reason, now);
    }
  }
  const { waitingSince, ...rest } = next;
  // The next wave does not wait until old instances have stopped; the end does.
  const isPending = isLast
    ? seen.some(isUnsettled)
    : seen.slice(-(waves[wave] ?? []).length).some(({ status }) => status === 'pending');
  if (isPending) return waitingSince === undefined ? next : rest;
  const wait = isLast ? watchTime(rollout) : policy.delay;
  if (wait > 0 && waitingSince === undefined) return { ...next, waitingSince: now };
  if (waitingSince !== undefined && now - waitingSince < wait) return next;
  if (!isLast) return { ...rest, waves: remainingWaves(next, view), wave: wave + 1, since: now };
  if (next.reached.length === 0 && rollout.placements.length > 0) {
    return fail(rest, failure?.reason ?? 'no host of the app could be reached', now);
  }
  return { ...rest, phase: 'done', ...(failure !== undefined && { reason: failure.reason }) };
}

/** A host says that it is healthy before it has watched its instances for `monitor`. */
function watchTime({ policy: { monitor }, proven }: Rollout): number {
  return monitor === 0 || proven === true ? 0 : monitor + WATCH_MARGIN;
}

function isUnsettled({ status }: Observed): boolean {
  return status === 'pending' || status === 'switched';
}

/** The rollout with failures and healthy hosts that are new; the same object if there are none. */
function record(rollout: Rollout, seen: readonly Observed[]): Rollout {
  const failures = seen.flatMap(({ host, failure }) =>
    failure === undefined || rollout.failures.some((known) => known.host === host)
      ? []
      : [{ host, reason: failure }],
  );
  const reached = seen.flatMap(({ host, status }) => {
    const isHealthy = status === 'settled' || status === 'switched';
    const isNew = isHealthy && !rollout.reached.includes(host);
    return isNew && rollout.placements.some((one) => one.host === host) ? host : [];
  });
  if (failures.length + reached.length === 0) return rollout;
  return {
    ...rollout,
    failures: [...rollout.failures, ...failures],
    reached: [...rollout.reached, ...reached],
  };
}

/** The waves; as long as no host was seen healthy, the next wave is a first one again. */
function remainingWaves({ atOnce, placements, policy, reached, wave, waves }: Rollout, { hosts }: View) {
  if (reached.length > 0) return waves;
  const rest = waves.slice(wave + 1).flat();
  const order = onlineFirst(rest.flatMap((id) => hosts.get(id) ?? []));
  const gone = rest.filter((id) => !hosts.has(id));
  const again = wavesOf([...order, ...gone], { policy, jobHost: undefined, atOnce, placements });
  return [...waves.slice(0, wave + 1), ...again];
}

function onlineFirst(hosts: readonly RolloutHost[]): readonly string[] {
  return hosts
    .toSorted((a, b) => Number(b.online) - Number(a.online) || (a.name < b.name ? -1 : 1))
    .map(({ id }) => id);
}

/** A rollout that moves instances within a release has nothing to go back to: what still runs stays. */
function fail(rollout: Rollout, reason: string, now: number): Rollout {
  const { waitingSince: _, ...rest } = rollout;
  if (rollout.policy.failureAction === 'pause' || rollout.kind === 'moving') {
    return { ...rest, phase: 'paused', reason };
  }
  if (rollout.current === undefined) return { ...rest, phase: 'failed', reason };
  return { ...rest, phase: 'rolling back', reason, since: now, attempt: rollout.attempt + 1 };
}

function advanceBack(rollout: Rollout, view: View): Rollout {
  const { current = 0, reason = '', since, timeout, waves } = rollout;
  const seen = waves.flat().map((id) => observe(rollout, view, id));
  const failed = seen.find(({ failure }) => failure !== undefined);
  if (failed?.failure !== undefined) {
    const then = `${reason}; then release ${current} failed too: ${failed.failure}`;
    return { ...rollout, phase: 'rollback failed', reason: then };
  }
  if (seen.some(isUnsettled)) return rollout;
  const had = new Set(rollout.currentPlacements.map(({ host }) => host));
  if (seen.some(({ host, status }) => status === 'settled' && (had.has(host) || had.size === 0))) {
    return { ...rollout, phase: 'rolled back' };
  }
  if (!isOverdue(view, since, timeout)) return rollout;
  return { ...rollout, phase: 'rollback failed', reason: `${reason}; no host could be reached` };
}

interface Observed {
  readonly host: string;
  /**
   * `switched`: the release is healthy there, and what ran before stops. `absent`: it is offline for long, or was removed; it
   * takes what it was told when it comes back.
   */
  readonly status: 'settled' | 'switched' | 'failed' | 'pending' | 'absent';
  readonly failure?: string;
}

function observe(rollout: Rollout, view: View, id: string): Observed {
  const { app, attempt, grace = 0, jobHost, phase, since, timeout } = rollout;
  const isRolling = phase === 'rolling';
  const release = isRolling ? rollout.release : rollout.current;
  const placements = isRolling ? rollout.placements : rollout.currentPlacements;
  const host = view.hosts.get(id);
  // No other host begins before the jobs are over.
  const isNeeded = isRolling && id === jobHost;
  if (host === undefined) {
    const failure = 'the host that runs the jobs was removed';
    return isNeeded ? { host: id, status: 'failed', failure } : { host: id, status: 'absent' };
  }
  const { name, online, report, seenAt = 0 } = host;
  const hasAnswered = report?.release === release && report?.attempt === attempt;
  if (!placements.some((one) => one.host === id)) {
    if (report === undefined || report.phase === 'stopped') return { host: id, status: 'settled' };
  } else if (hasAnswered) {
    if (report.phase === 'healthy') return { host: id, status: 'settled' };
    if (report.phase === 'failed') {
      return { host: id, status: 'failed', failure: `${name}: ${report.reason ?? `${app} failed`}` };
    }
  }
  const isLate = isOverdue(view, since, timeout + (hasAnswered ? grace : 0));
  if (!online && !isNeeded) {
    if (isLate) return { host: id, status: 'absent' };
    // A host that has the target may be half-way, and only it knows how that ends.
    const isTold = hasAnswered || seenAt >= since;
    const isSilent = view.now - Math.max(seenAt, view.listeningSince) >= ABSENCE;
    const isAbsent = isSilent && view.isAnyOnline && !(isRolling && isTold);
    return { host: id, status: isAbsent ? 'absent' : 'pending' };
  }
  const isSwitched = online && hasAnswered && report.phase === 'draining';
  if (!isLate) return { host: id, status: isSwitched ? 'switched' : 'pending' };
  const seconds = Math.round(timeout / 1000);
  const failure = online
    ? `${name}: release ${release} was not healthy within ${seconds} s`
    : `${name}, which runs the jobs, was offline for ${seconds} s`;
  return { host: id, status: 'failed', failure };
}

/** Hosts may have ended in time while the registry was away. */
function isOverdue({ now, listeningSince }: View, since: number, timeout: number): boolean {
  return now - since > timeout + MARGIN && now - listeningSince > RETURN;
}
