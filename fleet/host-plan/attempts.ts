import { type AttemptId, type HostApp, type HostContainer, isOfAttempt, isUp } from './host-app.ts';

/**
 * Starts an attempt for a new target, after `before`. A failure rolls back to the instances that run now, unless the
 * previous attempt had not completed: then it rolls back to what that attempt would have.
 */
export function beginAttempt(
  app: HostApp,
  before: AttemptId | undefined,
  target: AttemptId | undefined,
): HostApp {
  const isSettled = app.outcome === 'done' || app.outcome === 'watching';
  const isSameRelease = before?.release.number === target?.release.number;
  const jobs = Object.entries(app.jobs).filter(([, exitCode]) => isSameRelease && exitCode === 0);
  const containers = app.containers.map((one): HostContainer => {
    const isLeft = !isUp(one) && (one.stopped || one.discarded);
    return {
      ...one,
      tried: false,
      stopped: one.stopped && !isSettled && !isUp(one),
      discarded: isSettled ? isLeft : before !== undefined && isOfAttempt(one, before),
    };
  });
  return { ...app, outcome: 'working', jobs: Object.fromEntries(jobs), containers };
}

/** Marks the attempt of an app as failed: from now on the plan rolls back. */
export function failAttempt(app: HostApp): HostApp {
  return { ...app, outcome: 'failed', containers: app.containers.map((one) => ({ ...one, tried: false })) };
}

/** Returns the flags of a container when exactly `routed` are in the routes. */
export function routeFlags(
  container: HostContainer,
  routed: readonly string[],
): Pick<HostContainer, 'routed' | 'draining'> {
  const isWanted = routed.includes(container.id);
  return { routed: isWanted, draining: !isWanted && (container.routed || container.draining) };
}

/** Reports whether a container that the plan has stopped restarts if the attempt fails. */
export function isToReturn(container: HostContainer, target: AttemptId | undefined): boolean {
  return target !== undefined && !isOfAttempt(container, target);
}
