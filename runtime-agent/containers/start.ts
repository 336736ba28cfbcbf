import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { allowRealtime } from '../../lib/linux/cgroups/cgroups.ts';
import { NEVER, timestamp } from '../../lib/time/timestamp.ts';
import { EngineError } from '../errors.ts';
import { RuntimeCreateError, startMonitor } from '../oci-runner/conmon.ts';
import { readCreateFailure } from '../oci-runner/runtime-error.ts';
import type { AttachSession } from './attach/attach-session.ts';
import { clearRun } from './clear-run.ts';
import { containerBase } from './container-base.ts';
import { publishContainerEvent, publishVolumeEvents } from './container-events.ts';
import type { ContainerContext } from './context.ts';
import type { LiveContainer } from './live-container.ts';
import { containerCgroup } from './plan/cgroup-path.ts';
import { probePlan } from './plan/health.ts';
import { startingHealth } from './plan/health-state.ts';
import { monitorLimit, planLog } from './plan/log-options.ts';
import { isHostPlatform } from './plan/platform.ts';
import { removeLocked } from './remove.ts';
import { prepareFolders, writeBundle } from './run/bundle.ts';
import { checkExecutable } from './run/check-executable.ts';
import { gatherDevices } from './run/devices.ts';
import { runLinks, tellLinked } from './run/links.ts';
import { openMountSources } from './run/mount-sources.ts';
import { joinNamespaces } from './run/namespaces.ts';
import { openRunNetwork } from './run/run-network.ts';
import type { Run } from './stored-container.ts';

/** Starts a container that does not run. The caller holds its mutex. See Containers.start. */
export async function startLocked(context: ContainerContext, live: LiveContainer): Promise<void> {
  const { status } = live.container.state;
  if (status === 'paused') {
    throw new EngineError('conflict', 'cannot start a paused container, try unpause instead');
  }
  if (status === 'running') {
    throw new EngineError('not-modified', `Container ${live.container.name} is already running`);
  }
  if (status === 'removing' || status === 'dead') {
    throw new EngineError('conflict', 'container is marked for removal and cannot be started');
  }
  clearTimeout(live.restartTimer);
  try {
    const run = await createProcess(context, live);
    const session = sessionOf(context, live);
    if (session.hasClients) await session.connect(live.paths.attach);
    live.stopping = false;
    live.change({
      state: {
        status: 'running',
        exitCode: 0,
        oomKilled: false,
        error: '',
        startedAt: timestamp(),
        finishedAt: live.container.state.finishedAt ?? NEVER,
        ...(probePlan(live.container.config) === undefined
          ? {}
          : { health: startingHealth(live.container.state.health) }),
      },
      run,
      stoppedByUser: false,
    });
    // Killed between the two, the agent leaves a container that is recorded and waits, whose start recovery completes,
    // or one that runs and is not recorded, which recovery clears.
    await Promise.all([
      context.table.update(live.stored),
      context.commands.start(live.id),
      tellLinked(context, live),
    ]);
  } catch (error) {
    await failStart(context, live, error);
  }
  publishContainerEvent(context.events, live.container, 'start');
}

/** The clients of the present run, or of the next one. */
export function sessionOf(context: ContainerContext, live: LiveContainer): AttachSession {
  const { OpenStdin, StdinOnce, Tty } = live.container.config;
  live.session ??= context.hub.open({ open: OpenStdin, once: StdinOnce && !Tty }, () => live.isAlive);
  return live.session;
}

async function createProcess(context: ContainerContext, live: LiveContainer): Promise<Run> {
  const { container, paths } = live;
  const { config, hostConfig } = container;
  const logPlan = planLog(hostConfig.LogConfig);
  context.moves.expect();
  const image = await containerBase(context, container);
  const links = runLinks(context, container);
  const opening = openRunNetwork(context, container, paths, links.hosts);
  const letGo = () => opening.then(({ release }) => release()).catch(() => undefined);
  const [rootfs, network] = await orFirst(letGo, [
    context.snapshotter.mountRootfs(live.id, image.diffIds),
    opening,
    prepareFolders(paths),
    rm(paths.exitFile, { force: true }),
  ]);
  const joining = joinNamespaces(context, container, paths);
  const sources = openMountSources(context, container, rootfs.path, 'run');
  const letAllGo = () =>
    Promise.all([
      letGo(),
      joining.then(({ release }) => release()).catch(() => undefined),
      sources.then(({ close }) => close()).catch(() => undefined),
    ]);
  const [opened, , joined, gathered] = await orFirst(letAllGo, [
    sources,
    markAsContainer(rootfs.path),
    joining,
    gatherDevices(context.hostMounts, hostConfig),
    hostConfig.CpuRealtimeRuntime > 0
      ? allowRealtime(context.cgroups, containerCgroup(container))
      : undefined,
  ]);
  publishVolumeEvents(context.events, container, 'mount');
  try {
    const spec = await writeBundle(context, container, paths, {
      rootfs: rootfs.path,
      mounts: opened.mounts,
      network,
      joined,
      gathered,
      links,
    });
    if (!isHostPlatform(image.platform)) {
      await checkExecutable(context, container, rootfs.path, spec.process.env);
    }
    const monitored = await startMonitor({
      id: live.id,
      name: container.name,
      runtime: context.runtime,
      libc: context.libc,
      commands: context.commands,
      paths,
      tty: config.Tty,
      stdin: config.OpenStdin,
      keepStdin: config.Tty || !config.StdinOnce,
      keepsLog: logPlan.kind !== 'none',
      logLimit: logPlan.kind === 'none' ? undefined : monitorLimit(logPlan),
    });
    await network.ready;
    return {
      ...monitored,
      bootId: context.bootId,
      ...(network.active === undefined ? {} : { network: network.active }),
    };
  } finally {
    network.release();
    joined.release();
    await opened.close();
  }
}

/** Programs tell by this file that they run in a container. */
async function markAsContainer(rootfs: string): Promise<void> {
  try {
    const file = await open(join(rootfs, '.dockerenv'), 'wx', 0o755);
    await file.close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** As Promise.all; when one fails, `undo` is done before the failure is told. */
async function orFirst<const T extends readonly unknown[]>(
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

/** Brings the container back to rest, tells all who wait, and throws what the client is to read. */
async function failStart(context: ContainerContext, live: LiveContainer, cause: unknown): Promise<never> {
  const failure =
    cause instanceof RuntimeCreateError
      ? readCreateFailure(context.runtime.name, cause.stderr)
      : { exitCode: 128, message: (cause as Error).message };
  try {
    await context.networks.close(live.id);
    await clearRun(context, live.paths, 'found');
  } catch (error) {
    // The next start, removal or recovery tries again; who waits must be told now.
    context.log.error(
      { container: live.id, err: error },
      'what a failed start has left could not be cleared',
    );
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
