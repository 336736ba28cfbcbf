import { type HostApp, type HostContainer, type HostStep, isUp } from './host-app.ts';

/**
 * Returns the steps that stop containers: remove them from the routes, wait for their open requests, stop. With
 * `remove` they are then removed.
 */
export function retire(
  app: HostApp,
  containers: readonly HostContainer[],
  { remove }: { readonly remove: boolean },
): readonly HostStep[] {
  if (containers.some(({ routed }) => routed)) {
    const others = app.containers.filter((one) => one.routed && !containers.includes(one));
    return [routeTo(others)];
  }
  return containers.flatMap((container): readonly HostStep[] => {
    const { id } = container;
    if (isUp(container) && container.draining) return [{ kind: 'drain', container: id }];
    if (isUp(container)) return [{ kind: 'stop', container: id }];
    return remove ? [{ kind: 'remove', container: id }] : [];
  });
}

/** Returns the step that routes requests to `containers`; none if they are routed already. */
export function routeSteps(app: HostApp, containers: readonly HostContainer[]): readonly HostStep[] {
  const routed = app.containers.filter((container) => container.routed);
  const isSame = routed.length === containers.length && containers.every((one) => one.routed);
  return isSame ? [] : [routeTo(containers)];
}

function routeTo(containers: readonly HostContainer[]): HostStep {
  return { kind: 'route', containers: containers.map(({ id }) => id).sort() };
}
