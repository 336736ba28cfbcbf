import { type AttemptId, type HostApp, type HostContainer, isOfAttempt, isUp } from './host-app.ts';

/**
 * What an app is when a new target takes the place of `before`. What is up now is what a failure goes back to, unless the
 * attempt before did not get as far as that: then it is what that one would have gone back to.
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

/** What an app is when its attempt has failed: from now on the plan leads back. */
export function failAttempt(app: HostApp): HostApp {
  return { ...app, outcome: 'failed', containers: app.containers.map((one) => ({ ...one, tried: false })) };
}

/** The flags of a container when the routes lead to exactly `routed`. */
export function routeFlags(
  container: HostContainer,
  routed: readonly string[],
): Pick<HostContainer, 'routed' | 'draining'> {
  const isWanted = routed.includes(container.id);
  return { routed: isWanted, draining: !isWanted && (container.routed || container.draining) };
}

/** Whether a container that the plan stops runs again if the attempt fails. */
export function isToReturn(container: HostContainer, target: AttemptId | undefined): boolean {
  return target !== undefined && !isOfAttempt(container, target);
}
