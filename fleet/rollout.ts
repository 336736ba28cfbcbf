import type { Placement, ReleaseState } from './release.ts';
import type { AppReport } from './report.ts';
import { policyOf, type RolloutPolicy, wavesOf } from './rollout-policy.ts';
import type { AppSpec } from './service.ts';

/**
 * The rollout of a release to the hosts of its app, as data: one replica stores it and another can continue it. It
 * determines what each host runs (`intentOf`); together with the hosts' reports it determines the next step
 * (`advance`):
 *
 *     let rollout = startRollout({ app, release: 12, current: 11, … });
 *     for (;;) {
 *       // Set the target of each host to intentOf(rollout, host), then wait for a report.
 *       rollout = advance(rollout, hosts, Date.now());
 *     }
 *
 * The hosts of one wave at a time get the new release. When too many fail, all hosts return to `current`.
 */
export interface Rollout {
  readonly version: 1;
  readonly app: string;
  readonly release: number;
  /** The release to roll back to; undefined if none was healthy. */
  readonly current?: number;
  /** `moving`: the same release, with instances on other hosts. Its end does not end a release. */
  readonly kind: 'release' | 'moving';
  /** `rolling` and `rolling back` are in progress; the others are final. */
  readonly phase: ReleaseState;
  readonly placements: readonly Placement[];
  /** Placements of `current`. */
  readonly currentPlacements: readonly Placement[];
  /** IDs of hosts. */
  readonly waves: readonly (readonly string[])[];
  /** Index of the current wave. */
  readonly wave: number;
  /** The attempt in the targets of hosts; higher than in any earlier rollout of the app. */
  readonly attempt: number;
  /** The host that runs the jobs of the release; undefined without jobs, or when they do not run again. */
  readonly jobHost?: string;
  readonly policy: RolloutPolicy;
  /** Whether all hosts change at once: for a rollback, which is urgent. */
  readonly atOnce: boolean;
  /** The release has the content of a healthy one, so neither the hosts nor the rollout watch it. */
  readonly proven?: boolean;
  /** Timeout of a host, ms. */
  readonly timeout: number;
  /** Additional time for draining and stopping, ms; absent for none. */
  readonly grace?: number;
  /** Start of this wave, or of the rollback; ms since 1970. */
  readonly since: number;
  /**
   * Time when the hosts of this wave were healthy: the start of the delay before the next wave, or of the watch after
   * the last.
   */
  readonly waitingSince?: number;
  /** The traceparent of its span (W3C Trace Context), and its start in ms since 1970; absent unless it is traced. */
  readonly trace?: { readonly parent: string; readonly since: number };
  readonly failures: readonly HostFailure[];
  /** Hosts that were healthy on the release. */
  readonly reached: readonly string[];
  /** Why it failed. */
  readonly reason?: string;
}

export interface HostFailure {
  readonly host: string;
  readonly reason: string;
}

/** A host, as a rollout uses it. */
export interface RolloutHost {
  readonly id: string;
  readonly name: string;
  readonly online: boolean;
  /** Time of the last contact; ms since 1970. */
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
    | 'trace'
  > {
  readonly spec: AppSpec;
  readonly hosts: readonly RolloutHost[];
  /** The attempt of the last rollout of the app; 0 before the first. */
  readonly lastAttempt: number;
  /** Whether jobs run; they do not in a rollback. */
  readonly jobs: boolean;
  readonly now: number;
}

/** Creates a rollout, at its first wave. */
export function startRollout(start: RolloutStart): Rollout {
  const { spec, hosts, lastAttempt, jobs, now, ...terms } = start;
  const policy = policyOf(spec);
  const placed = new Set([...terms.placements, ...terms.currentPlacements].map(({ host }) => host));
  // A superseded release may have put the app on hosts of neither release.
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
 * What a host should run. `run`: the release with this number. `keep`: its previous target, while it may prefetch the
 * images of the next release. `nothing`: the app is removed.
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

/** Returns what a host should run at this point of a rollout. */
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

/** Returns the IDs of hosts, online ones first, by name. */
export function onlineFirst(hosts: readonly RolloutHost[]): readonly string[] {
  return hosts
    .toSorted((a, b) => Number(b.online) - Number(a.online) || (a.name < b.name ? -1 : 1))
    .map(({ id }) => id);
}
