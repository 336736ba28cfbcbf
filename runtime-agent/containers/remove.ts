import type { Digest } from '../../oci/digest.ts';
import { EngineError } from '../errors.ts';
import { clearContainer, type Thoroughness } from './clear-run.ts';
import { publishContainerEvent } from './container-events.ts';
import type { ContainerContext } from './context.ts';
import type { LiveContainer } from './live-container.ts';
import { releaseMounts } from './run/acquire-mounts.ts';
import { killAndWait } from './stop.ts';

/** See Containers.remove. */
export async function removeContainer(
  context: ContainerContext,
  live: LiveContainer,
  { force, volumes }: { readonly force: boolean; readonly volumes: boolean },
): Promise<void> {
  for (let isRemoved = false; !isRemoved; ) {
    if (force) await killAndWait(context, live);
    else refuseRunning(live);
    isRemoved = await live.mutex.run(async () => {
      // It may have gone meanwhile, by AutoRemove or another client.
      if (context.registry.byId(live.id) !== live) return true;
      // Or been started: its process would go on, and nobody would know of it.
      if (live.run !== undefined) return false;
      await removeLocked(context, live, { volumes });
      return true;
    });
  }
}

/** Throws EngineError 'conflict'. */
function refuseRunning({ container: { name, state } }: LiveContainer): void {
  const { status } = state;
  if (status !== 'running' && status !== 'paused' && status !== 'restarting') return;
  throw new EngineError(
    'conflict',
    `cannot remove container "/${name}": container is ${status}${status === 'paused' ? ' and must be unpaused first' : ': stop the container before removing or force remove'}`,
  );
}

/**
 * Removes a container that does not run, with its writable layer, log and name. The caller holds its mutex. `run` is the state
 * of its last run, if that has not been cleared yet; `volumes` takes with it those that nobody named, as AutoRemove does.
 */
export async function removeLocked(
  context: ContainerContext,
  live: LiveContainer,
  {
    run = 'no-run',
    volumes = false,
  }: { readonly run?: Thoroughness | 'no-run'; readonly volumes?: boolean } = {},
): Promise<void> {
  const { container, id } = live;
  const { exitCode } = container.state;
  clearTimeout(live.restartTimer);
  live.change({ state: { status: 'removing' } });
  try {
    await Promise.all([clearContainer(context, live.paths, run), context.table.delete(id)]);
  } catch (error) {
    live.change({ state: { status: 'dead' } });
    throw error;
  }
  live.session?.end();
  live.session = undefined;
  await releaseMounts(context, id, container.mounts, volumes || container.hostConfig.AutoRemove);
  context.registry.remove(id, container.name);
  await context.images.containerGone(container.imageId as Digest).catch((error: unknown) => {
    context.log.error(
      { container: id, err: error },
      'the layers of an image that had gone could not be removed',
    );
  });
  publishContainerEvent(context.events, container, 'destroy');
  live.waiters.removed({ exitCode });
}
