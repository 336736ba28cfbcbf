import { readFile, rm } from 'node:fs/promises';
import { destroyCgroup, removeLitter } from '../../linux/cgroups.ts';
import { readProcessStat } from '../../linux/proc.ts';
import { signalProcess } from '../../linux/signal-process.ts';
import { cgroupPath } from '../plan/cgroup-path.ts';
import type { RunPaths } from '../runtime/run-paths.ts';
import type { ContainerContext } from './context.ts';
import { releaseShm } from './join-namespaces.ts';

const SIGKILL = 9;

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
    rm(paths.persist, { recursive: true, force: true }),
    rm(paths.bundle, { recursive: true, force: true }),
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
    await killMonitor(context, paths);
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

async function killMonitor(context: ContainerContext, paths: RunPaths): Promise<void> {
  const pid = Number(await readFile(paths.conmonPid, 'latin1').catch(() => '0'));
  const stat = pid > 0 ? readProcessStat(pid) : undefined;
  if (stat === undefined) return;
  // The file may be older than the process that has its number now.
  const command = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
  if (!command.includes('conmon') || !command.includes(paths.id)) return;
  signalProcess(context.libc, pid, stat.startTime, SIGKILL);
}
