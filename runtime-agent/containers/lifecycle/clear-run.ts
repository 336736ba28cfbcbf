import { readFile, rm } from 'node:fs/promises';
import { destroyCgroup, removeLitter } from '../../linux/cgroups.ts';
import { readProcessStat } from '../../linux/proc.ts';
import { signalProcess } from '../../linux/signal-process.ts';
import { cgroupPath } from '../plan/oci-spec.ts';
import type { RunPaths } from '../runtime/run-paths.ts';
import type { ContainerContext } from './context.ts';

const SIGKILL = 9;

/**
 * Takes away what a run leaves behind: the runtime's state, cgroups, the mount (`keepRootfs`: not the writable layer) and
 * the bundle. `force`: also a run that was begun and never recorded, with conmon and
 * every process in its cgroup. The exit file stays: it is the caller's, until what it says is in the database.
 */
export async function clearRun(
  context: ContainerContext,
  paths: RunPaths,
  options: { readonly force: boolean; readonly keepRootfs: boolean },
): Promise<void> {
  const { id } = paths;
  if (options.force) {
    await killMonitor(context, paths);
    await context.commands.delete(id, true);
    await destroyCgroup(context.cgroups, cgroupPath(id));
  }
  await Promise.all([
    options.force ? undefined : context.commands.delete(id, false),
    options.keepRootfs ? context.snapshotter.unmountRootfs(id) : context.snapshotter.removeRootfs(id),
  ]);
  await Promise.all([
    removeLitter(context.cgroups, cgroupPath(id)),
    rm(paths.persist, { recursive: true, force: true }),
  ]);
  await rm(paths.bundle, { recursive: true, force: true });
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
