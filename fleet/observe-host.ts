import type { Rollout, RolloutHost } from './rollout.ts';

/** Time for which a host must be offline until a rollout goes on without it, ms. A short cut of the network is waited out. */
export const ABSENCE = 15_000;
/** Time in which hosts connect again to a registry that was away for long, ms: an agent pauses up to a minute. */
const RETURN = 75_000;
/** Time that a host's own report of a timeout may need to arrive, ms. */
const MARGIN = 10_000;

/** The hosts of a rollout as this registry sees them. */
export interface View {
  readonly hosts: ReadonlyMap<string, RolloutHost>;
  readonly now: number;
  /** Since when this registry hears its hosts. */
  readonly listeningSince: number;
  readonly isAnyOnline: boolean;
}

export interface Observed {
  readonly host: string;
  /**
   * `switched`: the release is healthy there, and what ran before stops. `absent`: it is offline for long, or was removed; it
   * takes what it was told when it comes back.
   */
  readonly status: 'settled' | 'switched' | 'failed' | 'pending' | 'absent';
  readonly failure?: string;
}

/** Returns where a host is with the release that its rollout leads to now. */
export function observe(rollout: Rollout, view: View, id: string): Observed {
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

/** Whether the rollout has still to wait for a host. */
export function isUnsettled({ status }: Observed): boolean {
  return status === 'pending' || status === 'switched';
}

/** Hosts may have ended in time while the registry was away. */
export function isOverdue({ now, listeningSince }: View, since: number, timeout: number): boolean {
  return now - since > timeout + MARGIN && now - listeningSince > RETURN;
}
