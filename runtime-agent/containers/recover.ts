import { access, readdir } from 'node:fs/promises';
import { releaseHeld } from '../../lib/linux/mount/held-path.ts';
import { isProcessAlive } from '../../lib/linux/process/proc.ts';
import { readExitRecord } from '../oci-runner/exit-watch.ts';
import { runPaths } from '../oci-runner/run-paths.ts';
import { volumePlace } from '../volumes/volume-options.ts';
import type { StoredContainer } from './container-table.ts';
import type { ContainerContext } from './context.ts';
import { clearExecs } from './exec/clear-execs.ts';
import { handleExit, scheduleRestart } from './exit.ts';
import { BASE_TREE } from './files/agent-container-trees.ts';
import { LiveContainer } from './live-container.ts';
import { parseRestartPolicy, shouldRestart } from './plan/restart-policy.ts';
import { clearContainer, clearRun, removeLocked } from './remove.ts';

/** dockerd's exit code of containers whose exit was not observed. */
const UNSEEN_EXIT = 255;
const KILLED = 137;

/**
 * Recovers the containers of an earlier agent: running ones continue, ones that exited meanwhile get their exit codes, and
 * interrupted operations of a killed agent are completed or cleared. A container that cannot be recovered does not affect
 * the others.
 */
export async function recover(context: ContainerContext): Promise<void> {
  await releaseHeld(context.paths.parts);
  for (const { name, mountpoint, options } of await context.volumes.list()) {
    if (volumePlace(options).kind !== 'own') continue;
    await context.copyUp.settle(mountpoint).catch((err: unknown) => {
      context.log.error(
        { volume: name, err },
        'an interrupted copy into a volume could not be finished or undone',
      );
    });
  }
  const stored = await withVolumesWhereTheyAre(context, await context.table.list());
  for (const entry of stored) {
    context.index.reserve(entry.container.name, entry.container.id);
    for (const { name } of entry.container.mounts) {
      if (name === undefined) continue;
      context.volumes.resume(name, entry.container.id);
      if (entry.run?.bootId === context.bootId) context.volumeMounts.resume(name, entry.container.id);
    }
    context.index.add(new LiveContainer(entry, runPaths(context.paths, entry.container.id)));
  }
  // Before any container is restarted: it must not get the address of a running one.
  for (const { container, run } of stored) {
    if (run?.network !== undefined && run.bootId === context.bootId) {
      const { pid, startTime } = run;
      context.networks.adopt({ container, pid, startTime }, run.network);
    }
  }
  await Promise.all(
    context.index.all().map((live) =>
      live.mutex.run(async () => {
        try {
          await recoverOne(context, live);
        } catch (error) {
          context.log.error({ container: live.id, err: error }, 'a container could not be recovered');
        }
      }),
    ),
  );
  await context.volumeMounts.settle();
  await context.networks.restore();
  await removeStrays(context, stored);
}

/** Updates the sources of volumes, since the agent's folder may have been moved. */
async function withVolumesWhereTheyAre(
  context: ContainerContext,
  stored: readonly StoredContainer[],
): Promise<readonly StoredContainer[]> {
  const places = new Map((await context.volumes.list()).map(({ name, mountpoint }) => [name, mountpoint]));
  return stored.map((entry) => {
    const mounts = entry.container.mounts.map((point) => {
      const source = point.name === undefined ? undefined : places.get(point.name);
      return source === undefined ? point : { ...point, source };
    });
    return { ...entry, container: { ...entry.container, mounts } };
  });
}

async function recoverOne(context: ContainerContext, live: LiveContainer): Promise<void> {
  const { status } = live.container.state;
  if (status === 'removing' || status === 'dead') {
    await removeLocked(context, live, { run: 'found' });
    return;
  }
  if (live.run === undefined && status === 'exited' && live.container.hostConfig.AutoRemove) {
    // The agent was killed between the two halves of a restart.
    await removeLocked(context, live, { run: 'found' });
    return;
  }
  if (live.run === undefined) {
    if (await exists(live.paths.spec)) await clearRun(context, live.paths, 'found');
    // The agent was killed during a copy or a commit.
    else await context.snapshotter.unmountRootfs(live.id);
    restartWherePolicySays(context, live);
    return;
  }
  await checkRun(context, live);
  if (live.run === undefined) return;
  const actual = await context.commands.status(live.id);
  // The agent was killed after it had recorded the start and before the runtime started the process.
  if (actual === 'created') await context.commands.start(live.id);
  // The agent was killed while it committed the container.
  if (actual === 'paused' && live.container.state.status === 'running')
    await context.commands.resume(live.id);
  if (actual !== 'paused' && live.container.state.status === 'paused') {
    live.change({ state: { status: 'running' } });
    await context.table.update(live.stored);
  }
  await clearExecs(context.host.libc, live);
}

/** Ends the runs whose monitor was killed, which leaves no exit file. Failures are logged. */
export async function checkRuns(context: ContainerContext): Promise<void> {
  for (const live of context.index.all()) {
    if (live.run === undefined) continue;
    try {
      await live.mutex.run(() => checkRun(context, live));
    } catch (error) {
      context.log.error({ container: live.id, err: error }, 'a container could not be looked after');
    }
  }
}

/** Ends the run of a container whose process or monitor has exited. The caller holds its mutex. */
async function checkRun(context: ContainerContext, live: LiveContainer): Promise<void> {
  const { run } = live;
  if (run === undefined) return;
  if (run.bootId !== context.bootId) {
    const exit = (await readExitRecord(live.paths.exitFile)) ?? {
      exitCode: UNSEEN_EXIT,
      finishedAt: new Date(),
    };
    await handleExit(context, live, exit, 'found');
    return;
  }
  const alive = isProcessAlive(run.conmonPid, run.conmonStartTime);
  // Read after the check of conmon, which writes the file before it exits.
  const exit = await readExitRecord(live.paths.exitFile);
  if (exit !== undefined) await handleExit(context, live, exit, 'found');
  else if (!alive) {
    context.log.warn({ container: live.id }, 'the monitor of a container is gone; the container is ended');
    await handleExit(context, live, { exitCode: KILLED, finishedAt: new Date() }, 'found');
  }
}

function restartWherePolicySays(context: ContainerContext, live: LiveContainer): void {
  const { state, hostConfig } = live.container;
  if (state.status === 'created') return;
  const policy = parseRestartPolicy(hostConfig);
  const { exitCode, restartCount: restarts } = state;
  const stoppedByUser = policy.kind !== 'always' && live.stored.stoppedByUser;
  if (!shouldRestart(policy, { exitCode, stoppedByUser, restarts })) return;
  live.change({ state: { status: 'restarting' } });
  scheduleRestart(context, live);
}

/** Removes folders and writable layers of unknown containers, which an interrupted creation or removal has left. */
async function removeStrays(context: ContainerContext, stored: readonly StoredContainer[]): Promise<void> {
  const known = new Set(stored.map((entry) => entry.container.id));
  const folders = [...(await readdir(context.paths.containers)), ...(await readdir(context.paths.runs))];
  const layers = await context.snapshotter.listRootfs();
  for (const id of new Set([...folders, ...layers])) {
    if (id.startsWith(BASE_TREE)) await context.snapshotter.removeRootfs(id);
    if (known.has(id) || !/^[0-9a-f]{64}$/.test(id)) continue;
    const paths = runPaths(context.paths, id);
    try {
      await clearContainer(context, paths, 'found');
    } catch (error) {
      context.log.error({ container: id, err: error }, 'what is left of a container could not be removed');
    }
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
