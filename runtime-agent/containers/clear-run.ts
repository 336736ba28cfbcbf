import { rm } from 'node:fs/promises';
import { destroyCgroup, removeLitter } from '../../lib/linux/cgroups/cgroups.ts';
import { killMonitor } from '../oci-runner/kill-monitor.ts';
import type { RunPaths } from '../oci-runner/run-paths.ts';
import type { ContainerContext } from './context.ts';
import { cgroupPath } from './plan/cgroup-path.ts';
import { releaseShm } from './run/namespaces.ts';

/** How thoroughly a run is cleared: `found` also kills what was begun and never recorded, or lost its monitor. */
export type Thoroughness = 'ended' | 'found';

/**
 * Takes away what a run leaves behind, except the writable layer: the runtime's state, cgroups, the mount and the bundle.
 * The exit file stays: it is the caller's, until what it says is in the database.
 */
export async function clearRun(
  context: ContainerContext,
  paths: RunPaths,
  thoroughness: Thoroughness,
): Promise<void> {
  await releaseAnd(context, paths, thoroughness, () => [
    context.snapshotter.unmountRootfs(paths.id),
    removeRunFiles(paths),
    context.volumeMounts.letGo(paths.id),
  ]);
}

/** Takes away all that a run and its container have on this host, but the row in the database. */
export async function clearContainer(
  context: ContainerContext,
  paths: RunPaths,
  thoroughness: Thoroughness | 'no-run',
): Promise<void> {
  await releaseAnd(context, paths, thoroughness, () => [
    context.snapshotter.removeRootfs(paths.id),
    rm(paths.home, { recursive: true, force: true }),
    rm(paths.run, { recursive: true, force: true }),
    context.volumeMounts.letGo(paths.id),
    rm(paths.exitFile, { force: true }),
  ]);
}

/** The runtime needs none of the files of a run that has ended, so all goes at once; otherwise its processes go first. */
async function releaseAnd(
  context: ContainerContext,
  paths: RunPaths,
  thoroughness: Thoroughness | 'no-run',
  others: () => readonly Promise<void>[],
): Promise<void> {
  const shared = context.registry.byId(paths.id)?.container.hostConfig;
  const cgroup = cgroupPath(paths.id, shared?.CgroupParent);
  if (thoroughness === 'found' || shared?.IpcMode === 'shareable') await releaseShm(paths);
  if (thoroughness === 'found') {
    await killMonitor(context.libc, paths);
    await context.commands.delete(paths.id, true);
    await destroyCgroup(context.cgroups, cgroup);
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
  await removeLitter(context.cgroups, cgroup);
}

/** The folder of a run of an older agent is the container's own. */
async function removeRunFiles({ home, run, bundle, persist }: RunPaths): Promise<void> {
  for (const folder of run === home ? [bundle, persist] : [run])
    await rm(folder, { recursive: true, force: true });
}
