import { type HostApp, type HostContainer, type HostStep, isUp } from './host-app.ts';

/**
 * The steps that stop containers: leave them out of the routes, wait for their open requests, stop. With `remove` they go
 * after that.
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

/** The step that makes the routes lead to `containers`; none if they do. */
export function routeSteps(app: HostApp, containers: readonly HostContainer[]): readonly HostStep[] {
  const routed = app.containers.filter((container) => container.routed);
  const isSame = routed.length === containers.length && containers.every((one) => one.routed);
  return isSame ? [] : [routeTo(containers)];
}

function routeTo(containers: readonly HostContainer[]): HostStep {
  return { kind: 'route', containers: containers.map(({ id }) => id).sort() };
}
