import { rm } from 'node:fs/promises';
import { destroyCgroup, removeLitter } from '../../lib/linux/cgroups/cgroups.ts';
import type { Digest } from '../../oci/digest.ts';
import { EngineError } from '../errors.ts';
import type { Images } from '../images/images.ts';
import { killMonitor } from '../oci-runner/conmon.ts';
import type { OciHost } from '../oci-runner/oci-host.ts';
import type { RunPaths } from '../oci-runner/run-paths.ts';
import type { RuntimeCommands } from '../oci-runner/runtime-commands.ts';
import type { RootfsOverlays } from '../snapshots/rootfs-overlays.ts';
import type { Container } from './container.ts';
import type { ContainerIndex } from './container-index.ts';
import type { ContainerInfo } from './container-info.ts';
import { cgroupPath } from './plan/resources.ts';
import { releaseShm } from './run/bundle.ts';
import type { ContainerMounts } from './run/container-mounts.ts';
import { killAndWait } from './stop.ts';

/** Dependencies of a removal. */
export interface RemoveDeps {
  readonly host: OciHost;
  readonly commands: RuntimeCommands;
  readonly images: Images;
  readonly overlays: RootfsOverlays;
  readonly mounts: ContainerMounts;
  readonly index: ContainerIndex;
}

/** See Containers.remove. */
export async function removeContainer(
  deps: RemoveDeps,
  container: Container,
  { force, volumes }: { readonly force: boolean; readonly volumes: boolean },
): Promise<void> {
  for (let isOver = false; !isOver; ) {
    if (force) await killAndWait(container);
    else refuseRunning(container.info);
    isOver = await container.lock(async () => {
      // AutoRemove or another client may have removed it meanwhile.
      if (container.isRemoved) return true;
      // Another client may have started it: its process would stay unnoticed.
      if (container.run !== undefined) return false;
      await removeLocked(deps, container, { volumes });
      return true;
    });
  }
}

/** Throws EngineError 'conflict'. */
function refuseRunning({ name, state: { status } }: ContainerInfo): void {
  if (status !== 'running' && status !== 'paused' && status !== 'restarting') return;
  throw new EngineError(
    'conflict',
    `cannot remove container "/${name}": container is ${status}${status === 'paused' ? ' and must be unpaused first' : ': stop the container before removing or force remove'}`,
  );
}

/**
 * Removes a container that does not run, with its writable layer, log and name. The caller holds its lock. `run` clears
 * its last run, if that is still necessary; `volumes` also removes anonymous volumes, as AutoRemove does.
 */
export async function removeLocked(
  deps: RemoveDeps,
  container: Container,
  {
    run = 'no-run',
    volumes = false,
  }: { readonly run?: Thoroughness | 'no-run'; readonly volumes?: boolean } = {},
): Promise<void> {
  const { id, info } = container;
  clearTimeout(container.restartTimer);
  container.change({ state: { status: 'removing' } });
  try {
    await Promise.all([clearContainer(deps, container, run), container.deleteRow()]);
  } catch (error) {
    container.change({ state: { status: 'dead' } });
    throw error;
  }
  container.takeSession()?.end();
  await deps.mounts.release(id, info.mounts, volumes || info.hostConfig.AutoRemove);
  deps.index.remove(id, info.name);
  container.isRemoved = true;
  await deps.images.containerGone(info.imageId as Digest).catch((err: unknown) => {
    container.log.error({ err }, 'the layers of a removed image could not be removed');
  });
  container.publish('destroy');
  container.waiters.removed({ exitCode: info.state.exitCode });
}

/** How thoroughly a run is cleared: `found` also kills processes that were never recorded or have lost their monitor. */
export type Thoroughness = 'ended' | 'found';

/** The resources of a container on this host; without `info` for one that is not in the database. */
interface Remains {
  readonly paths: RunPaths;
  readonly info?: ContainerInfo;
}

/**
 * Removes the runtime's state, cgroups, mounts and bundle of a run. Keeps the writable layer, and the exit file, which the
 * caller removes once the exit is in the database.
 */
export async function clearRun(
  deps: RemoveDeps,
  remains: Remains,
  thoroughness: Thoroughness,
): Promise<void> {
  const { paths } = remains;
  await releaseAnd(deps, remains, thoroughness, () => [
    deps.overlays.unmount(paths.id),
    removeRunFiles(paths),
    deps.mounts.endRun(paths.id),
  ]);
}

/** Removes everything of a container and its run from this host, except its row in the database. */
export async function clearContainer(
  deps: RemoveDeps,
  remains: Remains,
  thoroughness: Thoroughness | 'no-run',
): Promise<void> {
  const { paths } = remains;
  await releaseAnd(deps, remains, thoroughness, () => [
    deps.overlays.remove(paths.id),
    rm(paths.home, { recursive: true, force: true }),
    rm(paths.run, { recursive: true, force: true }),
    deps.mounts.endRun(paths.id),
    rm(paths.exitFile, { force: true }),
  ]);
}

/**
 * Removes everything concurrently after a run has ended, as the runtime needs none of the files then; otherwise kills
 * the processes first.
 */
async function releaseAnd(
  { host, commands }: RemoveDeps,
  { paths, info }: Remains,
  thoroughness: Thoroughness | 'no-run',
  others: () => readonly Promise<void>[],
): Promise<void> {
  const cgroup = cgroupPath(paths.id, info?.hostConfig.CgroupParent);
  if (thoroughness === 'found' || info?.hostConfig.IpcMode === 'shareable') await releaseShm(paths);
  if (thoroughness === 'found') {
    await killMonitor(host.libc, paths);
    await commands.delete(paths.id, true);
    await destroyCgroup(host.cgroups, cgroup);
    await Promise.all(others());
    return;
  }
  const release = async () => {
    await commands.delete(paths.id, false);
    await removeLitter(host.cgroups, cgroup);
  };
  await Promise.all([thoroughness === 'ended' ? release() : undefined, ...others()]);
}

/** Removes the files of a run. Older agents put them into the container's own folder. */
async function removeRunFiles({ home, run, bundle, persist }: RunPaths): Promise<void> {
  for (const folder of run === home ? [bundle, persist] : [run])
    await rm(folder, { recursive: true, force: true });
}
