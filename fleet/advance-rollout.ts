import { isOverdue, isUnsettled, type Observed, observe, type View } from './observe-host.ts';
import { hasEnded, onlineFirst, type Rollout, type RolloutHost } from './rollout.ts';
import { wavesOf } from './rollout-policy.ts';

/** Milliseconds for the report of an instance that ended during the watch to arrive. */
const WATCH_MARGIN = 500;

/**
 * Returns the next state of a rollout, given the reports of its hosts; the same object when nothing changes. Hosts not
 * heard since `listeningSince` (ms since 1970) get ABSENCE from then on: a registry that has just started has heard
 * none.
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
  // Hosts of earlier waves can also fail while they watch their new instances.
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
  // The next wave does not wait until old instances have stopped; the end of the rollout does.
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

/** A host reports healthy before it has watched its instances for `monitor`. */
function watchTime({ policy: { monitor }, proven }: Rollout): number {
  return monitor === 0 || proven === true ? 0 : monitor + WATCH_MARGIN;
}

/** Adds new failures and healthy hosts to the rollout; returns the same object if there are none. */
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

/** Returns the remaining waves; while no host is healthy, the next wave is a first one again. */
function remainingWaves({ atOnce, placements, policy, reached, wave, waves }: Rollout, { hosts }: View) {
  if (reached.length > 0) return waves;
  const rest = waves.slice(wave + 1).flat();
  const order = onlineFirst(rest.flatMap((id) => hosts.get(id) ?? []));
  const gone = rest.filter((id) => !hosts.has(id));
  const again = wavesOf([...order, ...gone], { policy, jobHost: undefined, atOnce, placements });
  return [...waves.slice(0, wave + 1), ...again];
}

/** A rollout that moves instances within a release has nothing to roll back to: running instances stay. */
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
