import { rm } from 'node:fs/promises';
import { destroyCgroup, removeLitter } from '../../lib/linux/cgroups/cgroups.ts';
import type { Digest } from '../../oci/digest.ts';
import { EngineError } from '../errors.ts';
import { killMonitor } from '../oci-runner/conmon.ts';
import type { RunPaths } from '../oci-runner/run-paths.ts';
import { publishContainerEvent } from './container-events.ts';
import type { ContainerContext } from './context.ts';
import type { LiveContainer } from './live-container.ts';
import { cgroupPath } from './plan/resources.ts';
import { releaseMounts } from './run/acquire-mounts.ts';
import { releaseShm } from './run/namespaces.ts';
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
      // AutoRemove or another client may have removed it meanwhile.
      if (context.index.byId(live.id) !== live) return true;
      // Another client may have started it: its process would go on unnoticed.
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
 * Removes a container that does not run, with its writable layer, log and name. The caller holds its mutex. `run` says how
 * to clear its last run, if that is still to be done; `volumes` also removes anonymous volumes, as AutoRemove does.
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
  context.index.remove(id, container.name);
  await context.images.containerGone(container.imageId as Digest).catch((error: unknown) => {
    context.log.error(
      { container: id, err: error },
      'the layers of an image that had gone could not be removed',
    );
  });
  publishContainerEvent(context.events, container, 'destroy');
  live.waiters.removed({ exitCode });
}

/** How thoroughly a run is cleared: `found` also kills processes that were never recorded or have lost their monitor. */
export type Thoroughness = 'ended' | 'found';

/**
 * Removes the runtime's state, cgroups, mounts and bundle of a run. Keeps the writable layer, and the exit file, which the
 * caller removes once the exit is in the database.
 */
export async function clearRun(
  context: ContainerContext,
  paths: RunPaths,
  thoroughness: Thoroughness,
): Promise<void> {
  await releaseAnd(context, paths, thoroughness, () => [
    context.snapshotter.unmountRootfs(paths.id),
    removeRunFiles(paths),
    context.volumeMounts.release(paths.id),
  ]);
}

/** Removes everything of a container and its run from this host, except its row in the database. */
export async function clearContainer(
  context: ContainerContext,
  paths: RunPaths,
  thoroughness: Thoroughness | 'no-run',
): Promise<void> {
  await releaseAnd(context, paths, thoroughness, () => [
    context.snapshotter.removeRootfs(paths.id),
    rm(paths.home, { recursive: true, force: true }),
    rm(paths.run, { recursive: true, force: true }),
    context.volumeMounts.release(paths.id),
    rm(paths.exitFile, { force: true }),
  ]);
}

/**
 * Removes everything side by side after a run has ended, as the runtime needs none of the files then; otherwise kills the
 * processes first.
 */
async function releaseAnd(
  context: ContainerContext,
  paths: RunPaths,
  thoroughness: Thoroughness | 'no-run',
  others: () => readonly Promise<void>[],
): Promise<void> {
  const shared = context.index.byId(paths.id)?.container.hostConfig;
  const cgroup = cgroupPath(paths.id, shared?.CgroupParent);
  if (thoroughness === 'found' || shared?.IpcMode === 'shareable') await releaseShm(paths);
  if (thoroughness === 'found') {
    await killMonitor(context.host.libc, paths);
    await context.commands.delete(paths.id, true);
    await destroyCgroup(context.host.cgroups, cgroup);
    await Promise.all(others());
    return;
  }
  await Promise.all([
    thoroughness === 'ended' ? releaseEnded(context, paths.id, cgroup) : undefined,
    ...others(),
  ]);
}

async function releaseEnded(context: ContainerContext, id: string, cgroup: string): Promise<void> {
  await context.commands.delete(id, false);
  await removeLitter(context.host.cgroups, cgroup);
}

/** Removes the files of a run. With older agents they lie in the container's own folder. */
async function removeRunFiles({ home, run, bundle, persist }: RunPaths): Promise<void> {
  for (const folder of run === home ? [bundle, persist] : [run])
    await rm(folder, { recursive: true, force: true });
}
