import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { allowRealtime } from '../../lib/linux/cgroups/cgroups.ts';
import { timestamp } from '../../lib/time/timestamp.ts';
import { EngineError } from '../errors.ts';
import type { Platform } from '../images/image.ts';
import { RuntimeCreateError, startMonitor } from '../oci-runner/conmon.ts';
import { readCreateFailure } from '../oci-runner/runtime-error.ts';
import { publishContainerEvent, publishVolumeEvents } from './container-events.ts';
import type { ContainerInfo, ContainerState } from './container-info.ts';
import type { Run } from './container-table.ts';
import type { ContainerContext } from './context.ts';
import { containerBase, type LiveContainer } from './live-container.ts';
import { probePlan, startingHealth } from './plan/health.ts';
import { monitorLimit, planLog } from './plan/log-options.ts';
import { isHostPlatform } from './plan/platform.ts';
import { containerCgroup } from './plan/resources.ts';
import { clearRun, removeLocked } from './remove.ts';
import { type BundleParts, prepareFolders, writeBundle } from './run/bundle.ts';
import { checkExecutable } from './run/check-executable.ts';
import { gatherDevices } from './run/devices.ts';
import { notifyLinked, runLinks } from './run/links.ts';
import { openMountSources } from './run/mount-sources.ts';
import { joinNamespaces } from './run/namespaces.ts';
import { openRunNetwork, type RunNetwork } from './run/run-network.ts';
import { sessionOf } from './streams.ts';

/**
 * Starts a container that does not run. The caller holds its mutex. See Containers.start.
 *
 * The steps in order: open the parts of the run (root file system, network, mounts, namespaces, devices), write the bundle,
 * have conmon create the process, release the parts, connect the attached clients, record the run, let the process run,
 * publish the event `start`.
 */
export async function startLocked(context: ContainerContext, live: LiveContainer): Promise<void> {
  refuseUnlessStopped(live.container);
  clearTimeout(live.restartTimer);
  try {
    const parts = await openParts(context, live);
    let run: Run;
    try {
      publishVolumeEvents(context.events, live.container, 'mount');
      const spec = await writeBundle(context.host, live.container, live.paths.spec, parts);
      if (!isHostPlatform(parts.platform)) {
        await checkExecutable(context.host.libc, live.container, parts.rootfs, spec.process.env);
      }
      run = await createProcess(context, live, parts.network);
    } finally {
      await parts.release();
    }
    const session = sessionOf(context, live);
    if (session.hasClients) await session.connect(live.paths.attach);
    live.stopping = false;
    live.change({ state: runningState(live.container), run, stoppedByUser: false });
    // When the agent is killed between these steps, recovery starts a container that was recorded and clears one that was not.
    await Promise.all([
      context.table.update(live.stored),
      context.commands.start(live.id),
      notifyLinked(context, live),
    ]);
  } catch (error) {
    await failStart(context, live, error);
  }
  publishContainerEvent(context.events, live.container, 'start');
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

/** Opens the parts of a run, side by side where they do not depend on each other. Releases all of them when one fails. */
async function openParts(context: ContainerContext, { container, paths }: LiveContainer): Promise<OpenParts> {
  const { hostConfig } = container;
  context.moves.expect();
  const { diffIds, platform } = await containerBase(context, container);
  const links = runLinks(context, container);

  const opening = openRunNetwork(context, container, paths, links.hosts);
  const releaseNetwork = () => opening.then(({ release }) => release()).catch(() => undefined);
  const [rootfs, network] = await allOrUndo(releaseNetwork, [
    context.snapshotter.mountRootfs(container.id, diffIds),
    opening,
    prepareFolders(paths),
    rm(paths.exitFile, { force: true }),
  ]);

  const joining = joinNamespaces(context, container, paths);
  const sources = openMountSources(context, container, rootfs.path, 'run');
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
    gatherDevices(context.host.files, hostConfig),
    hostConfig.CpuRealtimeRuntime > 0
      ? allowRealtime(context.host.cgroups, containerCgroup(container))
      : undefined,
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
  context: ContainerContext,
  { container, paths }: LiveContainer,
  network: RunNetwork,
): Promise<Run> {
  const { Tty: tty, OpenStdin: stdin, StdinOnce: once } = container.config;
  const log = planLog(container.hostConfig.LogConfig);
  const monitored = await startMonitor({
    id: container.id,
    name: container.name,
    runtime: context.host.runtime,
    libc: context.host.libc,
    commands: context.commands,
    paths,
    tty,
    stdin,
    keepStdin: tty || !once,
    keepsLog: log.kind !== 'none',
    logLimit: log.kind === 'none' ? undefined : monitorLimit(log),
  });
  await network.ready;
  return {
    ...monitored,
    bootId: context.bootId,
    ...(network.active === undefined ? {} : { network: network.active }),
  };
}

function runningState({ config, state }: ContainerInfo): Partial<ContainerState> {
  return {
    status: 'running',
    exitCode: 0,
    oomKilled: false,
    error: '',
    startedAt: timestamp(),
    ...(probePlan(config) === undefined ? {} : { health: startingHealth(state.health) }),
  };
}

/** Makes /.dockerenv, by which programs recognise a container. */
async function markAsContainer(rootfs: string): Promise<void> {
  try {
    const file = await open(join(rootfs, '.dockerenv'), 'wx', 0o755);
    await file.close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Works as Promise.all, but runs `undo` before it rejects. */
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
async function failStart(context: ContainerContext, live: LiveContainer, cause: unknown): Promise<never> {
  const failure =
    cause instanceof RuntimeCreateError
      ? readCreateFailure(context.host.runtime.name, cause.stderr)
      : { exitCode: 128, message: (cause as Error).message };
  try {
    await context.networks.close(live.id);
    await clearRun(context, live.paths, 'found');
  } catch (error) {
    // The next start, removal or recovery tries again; waiters must be notified now.
    context.log.error({ container: live.id, err: error }, 'a failed start could not be cleared');
  }
  live.session?.end();
  live.session = undefined;
  live.change({
    state: {
      status: 'exited',
      exitCode: failure.exitCode,
      error: failure.message,
      finishedAt: timestamp(),
    },
    run: undefined,
  });
  await context.table.update(live.stored);
  publishContainerEvent(context.events, live.container, 'die', {
    exitCode: String(failure.exitCode),
    execDuration: '0',
  });
  live.waiters.ended({ exitCode: failure.exitCode });
  live.waiters.cleared({ exitCode: failure.exitCode });
  if (live.container.hostConfig.AutoRemove) await removeLocked(context, live);
  if (cause instanceof RuntimeCreateError) {
    const code = failure.exitCode === 128 ? 'runtime' : 'bad-request';
    throw new EngineError(code, failure.message, { cause });
  }
  throw cause;
}
