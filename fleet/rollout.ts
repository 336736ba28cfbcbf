import type { Placement, ReleaseState } from './release.ts';
import type { AppReport } from './report.ts';
import { policyOf, type RolloutPolicy, wavesOf } from './rollout-policy.ts';
import type { AppSpec } from './service.ts';

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

/** Returns the IDs of hosts, those that are online first, by name. */
export function onlineFirst(hosts: readonly RolloutHost[]): readonly string[] {
  return hosts
    .toSorted((a, b) => Number(b.online) - Number(a.online) || (a.name < b.name ? -1 : 1))
    .map(({ id }) => id);
}
