import type { Rollout, RolloutHost } from './rollout.ts';

/** Milliseconds offline after which a rollout proceeds without a host. Short network failures do not count. */
export const ABSENCE = 15_000;
/** Milliseconds in which hosts reconnect after a long outage of the registry: an agent pauses up to a minute. */
const RETURN = 75_000;
/** Milliseconds for a host's own report of a timeout to arrive. */
const MARGIN = 10_000;

/** The hosts of a rollout as this registry sees them. */
export interface View {
  readonly hosts: ReadonlyMap<string, RolloutHost>;
  readonly now: number;
  /** Time since which this registry has received reports. */
  readonly listeningSince: number;
  readonly isAnyOnline: boolean;
}

export interface Observed {
  readonly host: string;
  /**
   * `switched`: the release is healthy there, and old instances are stopping. `absent`: it was offline for long, or
   * removed; it gets its target when it reconnects.
   */
  readonly status: 'settled' | 'switched' | 'failed' | 'pending' | 'absent';
  readonly failure?: string;
}

/** Returns the state of a host in its rollout. */
export function observe(rollout: Rollout, view: View, id: string): Observed {
  const { app, attempt, grace = 0, jobHost, phase, since, timeout } = rollout;
  const isRolling = phase === 'rolling';
  const release = isRolling ? rollout.release : rollout.current;
  const placements = isRolling ? rollout.placements : rollout.currentPlacements;
  const host = view.hosts.get(id);
  // No other host begins before the jobs are done.
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
    // A host that has the target may be in progress, and only it knows the outcome.
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

/** Reports whether the rollout still waits for a host. */
export function isUnsettled({ status }: Observed): boolean {
  return status === 'pending' || status === 'switched';
}

/** Hosts may have completed in time while the registry was down. */
export function isOverdue({ now, listeningSince }: View, since: number, timeout: number): boolean {
  return now - since > timeout + MARGIN && now - listeningSince > RETURN;
}
