import type { AppTarget } from '../target.ts';
import { bringUp, currentContainers, freeName } from './bring-up.ts';
import { claimsClash } from './claims.ts';
import { type HostApp, type HostPlan, type HostStep, isOfAttempt, isUp } from './host-app.ts';
import { retire, routeSteps } from './retire.ts';

/**
 * Decides the next steps of a host towards an app's target; undefined means to remove the app. Pure.
 *
 * The order: fetch all images; run jobs; start new instances beside the old ones, after what they depend on; wait until
 * they are healthy; route requests to them; drain and stop the old ones; watch; remove the old ones. An old instance
 * stops first only if it holds a port or an exclusive volume that the new one needs, or the service says `order:
 * stop-first`, and then only when there is nothing else to wait for. A `proven` target is reached once requests are
 * routed to the new instances: the old ones drain and stop after that, and none is watched. A failed attempt restarts
 * the containers that it has stopped, routes requests to them, and removes those that it has created.
 */
export function planHost(app: HostApp, target: AppTarget | undefined): HostPlan {
  if (target === undefined) return takeOff(app);
  const { outcome } = app;
  if (outcome === 'failed') return { phase: 'failed', steps: goBack(app, target) };
  const made = [...currentContainers(app, target)].filter((one) => isOfAttempt(one, target));
  const { steps, phase } = bringUp(app, target);
  if (outcome === 'watching' || outcome === 'done') {
    // An instance was stopped or removed by hand, or did not restart after a reboot.
    if (phase !== 'draining') return { phase: 'starting', steps };
    if (outcome === 'done') return { phase: 'healthy', steps: tidyUp(app, target) };
    return { phase: 'healthy', steps: [{ kind: 'watch', containers: made.map(({ id }) => id) }] };
  }
  if (phase === 'draining' && target.proven) return { phase, steps: [{ kind: 'settle', outcome: 'done' }] };
  if (steps.length > 0 || phase !== 'draining') return { phase, steps };
  return { phase, steps: [{ kind: 'settle', outcome: made.length > 0 ? 'watching' : 'done' }] };
}

/** Removes old containers and networks, and gives containers their short names. */
function tidyUp(app: HostApp, target: AppTarget): readonly HostStep[] {
  const current = currentContainers(app, target);
  const old = app.containers.filter((one) => !current.has(one) && !(one.job && isOfAttempt(one, target)));
  if (old.length > 0) return retire(app, old, { remove: true });
  const used = new Set(target.release.networks.map(({ name }) => name));
  const unused = [...app.networks].filter((network) => !used.has(network));
  return [
    ...[...current].flatMap((container): readonly HostStep[] => {
      const name = freeName(app, target, container.service, container.instance);
      return name.length < container.name.length ? [{ kind: 'rename', container: container.id, name }] : [];
    }),
    ...unused.map((network): HostStep => ({ kind: 'remove-network', network })),
  ];
}

/**
 * Restarts the containers that the attempt has stopped, routes requests to them, and removes those that it has created.
 */
function goBack(app: HostApp, target: AppTarget): readonly HostStep[] {
  const made = app.containers.filter((container) => isOfAttempt(container, target));
  const before = app.containers.filter((container) => !isOfAttempt(container, target));
  const stopped = before.filter((one) => one.stopped && !isUp(one) && !one.tried);
  const inTheWay = made.filter(
    (one) => isUp(one) && stopped.some((old) => claimsClash(one.claims, old.claims)),
  );
  if (inTheWay.length > 0) return retire(app, inTheWay, { remove: false });
  if (stopped.length > 0) return stopped.map(({ id }) => ({ kind: 'start', container: id }));
  const waiting = before.filter((one) => one.stopped && isUp(one) && !one.passed);
  if (waiting.length > 0) {
    return waiting.map(({ id, service }) => ({ kind: 'wait-healthy', container: id, service }));
  }
  const routing = routeSteps(
    app,
    before.filter((one) => one.hasRoute && isUp(one) && one.passed),
  );
  return routing.length > 0 ? routing : retire(app, made, { remove: true });
}

/** Stops and removes everything of the app but its volumes. */
function takeOff(app: HostApp): HostPlan {
  const steps = retire(app, app.containers, { remove: true });
  if (steps.length > 0) return { phase: 'draining', steps };
  return {
    phase: 'stopped',
    steps: [...app.networks].map((network) => ({ kind: 'remove-network', network })),
  };
}
