import { access, readdir } from 'node:fs/promises';
import { isProcessAlive } from '../../lib/linux/process/proc.ts';
import { readExitRecord } from '../oci-runner/conmon.ts';
import { runPaths } from '../oci-runner/run-paths.ts';
import { Container, type ContainerServices } from './container.ts';
import { UNSEEN_EXIT } from './container-info.ts';
import type { StoredContainer } from './container-table.ts';
import { clearExecs } from './exec/clear-execs.ts';
import { type ExitDeps, handleExit, scheduleRestart } from './exit.ts';
import { BASE_TREE } from './files/agent-container-trees.ts';
import { parseRestartPolicy, shouldRestart } from './plan/restart-policy.ts';
import { clearContainer, clearRun, removeLocked } from './remove.ts';

const KILLED = 137;

export interface RecoverDeps extends ExitDeps {
  readonly services: ContainerServices;
}

/**
 * Recovers the containers of an earlier agent: running ones continue, ones that exited meanwhile get their exit codes,
 * and interrupted operations of a killed agent are completed or cleared. A container that cannot be recovered does not
 * affect the others.
 */
export async function recover(deps: RecoverDeps): Promise<void> {
  const { index, mounts, networks, services } = deps;
  const { bootId } = deps.host;
  const volumes = await mounts.recover(services.log);
  const stored = (await services.table.list()).map((entry) => withVolumesWhereTheyAre(entry, volumes));
  for (const entry of stored) {
    const { container: info, run } = entry;
    index.reserve(info.name, info.id);
    mounts.resume(info, run?.bootId === bootId);
    index.add(new Container(entry, services));
  }
  // Before any container is restarted: it must not get the address of a running one.
  for (const { container, run } of stored) {
    if (run?.network !== undefined && run.bootId === bootId) {
      const { pid, startTime } = run;
      networks.adopt({ container, pid, startTime }, run.network);
    }
  }
  await Promise.all(
    index.all().map((container) =>
      container.lock(async () => {
        try {
          await recoverOne(deps, container);
        } catch (err) {
          container.log.error({ err }, 'a container could not be recovered');
        }
      }),
    ),
  );
  await mounts.settle();
  await networks.restore();
  await removeStrays(deps, stored);
}

/** Updates the sources of volumes, since the agent's folder may have been moved. */
function withVolumesWhereTheyAre(
  stored: StoredContainer,
  volumes: ReadonlyMap<string, string>,
): StoredContainer {
  const mounts = stored.container.mounts.map((point) => {
    const source = point.name === undefined ? undefined : volumes.get(point.name);
    return source === undefined ? point : { ...point, source };
  });
  return { ...stored, container: { ...stored.container, mounts } };
}

async function recoverOne(deps: RecoverDeps, container: Container): Promise<void> {
  const { id, paths, commands } = container;
  const { hostConfig, state } = container.info;
  const { status } = state;
  if (status === 'removing' || status === 'dead') {
    await removeLocked(deps, container, { run: 'found' });
    return;
  }
  if (container.run === undefined && status === 'exited' && hostConfig.AutoRemove) {
    // The agent was killed between the two halves of a restart.
    await removeLocked(deps, container, { run: 'found' });
    return;
  }
  if (container.run === undefined) {
    if (await exists(paths.spec)) await clearRun(deps, container, 'found');
    // The agent was killed during a copy or a commit.
    else await deps.overlays.unmount(id);
    restartWherePolicySays(deps, container);
    return;
  }
  await checkRun(deps, container);
  if (container.run === undefined) return;
  const actual = await commands.status(id);
  // The agent was killed after it had recorded the start and before the runtime started the process.
  if (actual === 'created') await commands.start(id);
  // The agent was killed while it committed the container.
  if (actual === 'paused' && status === 'running') await commands.resume(id);
  if (actual !== 'paused' && status === 'paused') {
    container.change({ state: { status: 'running' } });
    await container.save();
  }
  await clearExecs(deps.host.libc, container);
}

/** Ends the runs whose monitor was killed, which leaves no exit file. Failures are logged. */
export async function checkRuns(deps: ExitDeps): Promise<void> {
  for (const container of deps.index.all()) {
    if (container.run === undefined) continue;
    try {
      await container.lock(() => checkRun(deps, container));
    } catch (err) {
      container.log.error({ err }, 'a container could not be checked');
    }
  }
}

/** Ends the run of a container whose process or monitor has exited. The caller holds its lock. */
async function checkRun(deps: ExitDeps, container: Container): Promise<void> {
  const { run, paths } = container;
  if (run === undefined) return;
  if (run.bootId !== deps.host.bootId) {
    const unseen = { exitCode: UNSEEN_EXIT, finishedAt: new Date() };
    await handleExit(deps, container, (await readExitRecord(paths.exitFile)) ?? unseen, 'found');
    return;
  }
  const alive = isProcessAlive(run.conmonPid, run.conmonStartTime);
  // Read after the check of conmon, which writes the file before it exits.
  const exit = await readExitRecord(paths.exitFile);
  if (exit !== undefined) await handleExit(deps, container, exit, 'found');
  else if (!alive) {
    container.log.warn('the monitor of a container is gone; the container is ended');
    await handleExit(deps, container, { exitCode: KILLED, finishedAt: new Date() }, 'found');
  }
}

function restartWherePolicySays(deps: ExitDeps, container: Container): void {
  const { state, hostConfig } = container.info;
  if (state.status === 'created') return;
  const policy = parseRestartPolicy(hostConfig);
  const { exitCode, restartCount: restarts } = state;
  const stoppedByUser = policy.kind !== 'always' && state.stoppedByUser;
  if (!shouldRestart(policy, { exitCode, stoppedByUser, restarts })) return;
  container.change({ state: { status: 'restarting' } });
  scheduleRestart(deps, container);
}

/** Removes folders and writable layers of unknown containers, which an interrupted creation or removal has left. */
async function removeStrays(deps: RecoverDeps, stored: readonly StoredContainer[]): Promise<void> {
  const { overlays, paths: shared, services } = deps;
  const known = new Set(stored.map((entry) => entry.container.id));
  const folders = [...(await readdir(shared.containers)), ...(await readdir(shared.runs))];
  const layers = await overlays.list();
  for (const id of new Set([...folders, ...layers])) {
    if (id.startsWith(BASE_TREE)) await overlays.remove(id);
    if (known.has(id) || !/^[0-9a-f]{64}$/.test(id)) continue;
    try {
      await clearContainer(deps, { paths: runPaths(shared, id) }, 'found');
    } catch (err) {
      services.log.error({ container: id, err }, 'the leftovers of a container could not be removed');
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
