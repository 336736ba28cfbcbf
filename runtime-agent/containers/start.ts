import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { allowRealtime, type CgroupMoves } from '../../lib/linux/cgroups/cgroups.ts';
import { timestamp } from '../../lib/time/timestamp.ts';
import { EngineError } from '../errors.ts';
import type { Platform } from '../images/image.ts';
import type { ContainerNetworks } from '../networks/container-networks.ts';
import { RuntimeCreateError, startMonitor } from '../oci-runner/conmon.ts';
import type { OciHost } from '../oci-runner/oci-host.ts';
import { readCreateFailure } from '../oci-runner/runtime-error.ts';
import { type Container, containerBase } from './container.ts';
import type { ContainerInfo, ContainerState } from './container-info.ts';
import type { Run } from './container-table.ts';
import { probePlan, startingHealth } from './plan/health.ts';
import { monitorLimit, planLog } from './plan/log-options.ts';
import { isHostPlatform } from './plan/platform.ts';
import { containerCgroup } from './plan/resources.ts';
import { clearRun, type RemoveDeps, removeLocked } from './remove.ts';
import {
  type BundleParts,
  gatherDevices,
  joinNamespaces,
  prepareFolders,
  writeBundle,
} from './run/bundle.ts';
import { checkExecutable } from './run/check-executable.ts';
import { notifyLinked, runLinks } from './run/links.ts';
import { openRunNetwork, type RunNetwork } from './run/run-network.ts';

/** Dependencies of a start. */
export interface StartDeps extends RemoveDeps {
  readonly networks: ContainerNetworks;
  readonly moves: CgroupMoves;
}

/**
 * Starts a container that does not run. The caller holds its lock. See Containers.start.
 *
 * The steps in order: open the parts of the run (root file system, network, mounts, namespaces, devices), write the bundle,
 * have conmon create the process, release the parts, connect the attached clients, record the run, let the process run,
 * publish the event `start`.
 */
export async function startLocked(deps: StartDeps, container: Container): Promise<void> {
  const { info, paths } = container;
  refuseUnlessStopped(info);
  clearTimeout(container.restartTimer);
  try {
    const parts = await openParts(deps, container);
    let run: Run;
    try {
      container.publishVolumes('mount');
      const spec = await writeBundle(deps.host, info, paths.spec, parts);
      if (!isHostPlatform(parts.platform)) {
        await checkExecutable(deps.host.libc, info, parts.rootfs, spec.process.env);
      }
      run = await createProcess(deps.host, container, parts.network);
    } finally {
      await parts.release();
    }
    const session = container.session();
    if (session.hasClients) await session.connect(paths.attach);
    container.stopping = false;
    container.change({ state: runningState(info), run });
    // If the agent is killed between these steps, recovery starts a container that was recorded and clears one that was
    // not.
    await Promise.all([
      container.save(),
      container.commands.start(container.id),
      notifyLinked(deps.index, container),
    ]);
  } catch (error) {
    await failStart(deps, container, error);
  }
  container.publish('start');
}

/** Throws EngineError 'conflict' or 'not-modified'. */
function refuseUnlessStopped({ name, state: { status } }: ContainerInfo): void {
  if (status === 'paused') {
    throw new EngineError('conflict', 'cannot start a paused container, try unpause instead');
  }
  if (status === 'running') {
    throw new EngineError('not-modified', `Container ${name} is already running`);
  }
  if (status === 'removing' || status === 'dead') {
    throw new EngineError('conflict', 'container is marked for removal and cannot be started');
  }
}

interface OpenParts extends BundleParts {
  readonly network: RunNetwork;
  readonly platform: Platform;
  /** Releases the parts; to be called when the runtime has joined or mounted them, or has failed. */
  release(): Promise<void>;
}

/** Opens the parts of a run, concurrently if they are independent. Releases all of them when one fails. */
async function openParts(deps: StartDeps, container: Container): Promise<OpenParts> {
  const { host, index } = deps;
  const { id, info, paths } = container;
  const { hostConfig } = info;
  deps.moves.expect();
  const { diffIds, platform } = await containerBase(deps.images, info);
  const links = runLinks(index, info);

  const opening = openRunNetwork(deps, info, paths, links.hosts);
  const releaseNetwork = () => opening.then(({ release }) => release()).catch(() => undefined);
  const [rootfs, network] = await allOrUndo(releaseNetwork, [
    deps.overlays.mount(id, diffIds),
    opening,
    prepareFolders(paths),
    rm(paths.exitFile, { force: true }),
  ]);

  const joining = joinNamespaces(index, container);
  const sources = deps.mounts.open(info, rootfs.path, 'run');
  const releaseAll = () =>
    Promise.all([
      releaseNetwork(),
      joining.then(({ release }) => release()).catch(() => undefined),
      sources.then(({ close }) => close()).catch(() => undefined),
    ]);
  const [opened, , joined, devices] = await allOrUndo(releaseAll, [
    sources,
    markAsContainer(rootfs.path),
    joining,
    gatherDevices(host.files, hostConfig),
    hostConfig.CpuRealtimeRuntime > 0 ? allowRealtime(host.cgroups, containerCgroup(info)) : undefined,
  ]);
  return {
    platform,
    rootfs: rootfs.path,
    mounts: opened.mounts,
    network,
    joined,
    devices,
    links,
    release: async () => {
      network.release();
      joined.release();
      await opened.close();
    },
  };
}

/** Has conmon create the process of a written bundle; it waits for the runtime's `start`. Throws RuntimeCreateError. */
async function createProcess(
  { runtime, libc, bootId }: OciHost,
  { id, info, paths, commands }: Container,
  network: RunNetwork,
): Promise<Run> {
  const { Tty: tty, OpenStdin: stdin, StdinOnce: once } = info.config;
  const log = planLog(info.hostConfig.LogConfig);
  const monitored = await startMonitor({
    id,
    name: info.name,
    runtime,
    libc,
    commands,
    paths,
    tty,
    stdin,
    keepStdin: tty || !once,
    keepsLog: log.kind !== 'none',
    logLimit: log.kind === 'none' ? undefined : monitorLimit(log),
  });
  await network.ready;
  return { ...monitored, bootId, ...(network.active === undefined ? {} : { network: network.active }) };
}

function runningState({ config, state }: ContainerInfo): Partial<ContainerState> {
  return {
    status: 'running',
    exitCode: 0,
    oomKilled: false,
    error: '',
    startedAt: timestamp(),
    stoppedByUser: false,
    ...(probePlan(config) === undefined ? {} : { health: startingHealth(state.health) }),
  };
}

/** Creates /.dockerenv, by which programs recognise a container. */
async function markAsContainer(rootfs: string): Promise<void> {
  try {
    const file = await open(join(rootfs, '.dockerenv'), 'wx', 0o755);
    await file.close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Works like Promise.all, but runs `undo` before it rejects. */
async function allOrUndo<const T extends readonly unknown[]>(
  undo: () => Promise<unknown>,
  steps: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  try {
    return await Promise.all(steps);
  } catch (error) {
    await undo();
    throw error;
  }
}

/** Clears the failed run, records it, notifies waiters, and throws the error for the client. */
async function failStart(deps: StartDeps, container: Container, cause: unknown): Promise<never> {
  const { exitCode, message } =
    cause instanceof RuntimeCreateError
      ? readCreateFailure(deps.host.runtime.name, cause.stderr)
      : { exitCode: 128, message: (cause as Error).message };
  try {
    await deps.networks.close(container.id);
    await clearRun(deps, container, 'found');
  } catch (err) {
    // The next start, removal or recovery tries again; waiters must be notified now.
    container.log.error({ err }, 'a failed start could not be cleared');
  }
  container.takeSession()?.end();
  container.change({
    state: { status: 'exited', exitCode, error: message, finishedAt: timestamp() },
    run: undefined,
  });
  await container.save();
  container.publish('die', { exitCode: String(exitCode), execDuration: '0' });
  container.waiters.ended({ exitCode });
  container.waiters.cleared({ exitCode });
  if (container.info.hostConfig.AutoRemove) await removeLocked(deps, container);
  if (!(cause instanceof RuntimeCreateError)) throw cause;
  throw new EngineError(exitCode === 128 ? 'runtime' : 'bad-request', message, { cause });
}
