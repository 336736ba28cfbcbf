import { mkdir } from 'node:fs/promises';
import type { Knex } from 'knex';
import type { Logger } from 'pino';
import { CgroupMoves } from '../../lib/linux/cgroups/cgroup-moves.ts';
import { loadXattrs } from '../../lib/linux/files/xattrs.ts';
import { loadLibc } from '../../lib/linux/libc.ts';
import { HostMounts } from '../../lib/linux/mount/host-mounts.ts';
import { readBootId } from '../../lib/linux/process/proc.ts';
import { migrate } from '../../storage/catalog/migrate.ts';
import { EngineError, isEngineError } from '../errors.ts';
import type { EventBus } from '../events/event-bus.ts';
import type { Images } from '../images/images.ts';
import type { ContainerNetworks } from '../networks/container-networks.ts';
import { resizeConsole } from '../oci-runner/conmon.ts';
import { ExitWatch } from '../oci-runner/exit-watch.ts';
import { type OciHost, readOciHost } from '../oci-runner/oci-host.ts';
import { runPaths, sharedPaths } from '../oci-runner/run-paths.ts';
import { RuntimeCommands } from '../oci-runner/runtime-commands.ts';
import type { Runtime } from '../oci-runner/runtimes.ts';
import type { TreeTars } from '../snapshots/diff/tree-tar.ts';
import type { Snapshotter } from '../snapshots/snapshotter.ts';
import { CopyUp } from '../volumes/copy-up.ts';
import { LocalVolumeMounts } from '../volumes/local-volume-mounts.ts';
import type { Volumes } from '../volumes/volume.ts';
import { AttachHub } from './attach/attach-hub.ts';
import { connectContainer, disconnectContainer } from './connect.ts';
import { ContainerIndex } from './container-index.ts';
import { ContainerTable } from './container-table.ts';
import type { ContainerControl, Containers } from './containers.ts';
import type { ContainerContext } from './context.ts';
import { createContainer } from './create.ts';
import { AgentExecs } from './exec/agent-execs.ts';
import type { Execs } from './exec/execs.ts';
import { handleExitFile } from './exit.ts';
import { AgentContainerArchive } from './files/agent-container-archive.ts';
import { AgentContainerTrees } from './files/agent-container-trees.ts';
import type { ContainerArchive } from './files/container-archive.ts';
import type { ContainerTrees } from './files/container-trees.ts';
import { HealthChecks } from './health/health-checks.ts';
import type { LiveContainer } from './live-container.ts';
import { LogRotation } from './logs/log-rotation.ts';
import { readLog } from './logs/read-log.ts';
import { CONTAINER_MIGRATIONS, CONTAINER_MIGRATIONS_TABLE } from './migrations.ts';
import { pauseContainer, unpauseContainer } from './pause.ts';
import { checkRuns, recover } from './recover.ts';
import { removeContainer } from './remove.ts';
import { unlinkContainer } from './run/links.ts';
import { startLocked } from './start.ts';
import { AgentContainerStats } from './stats/agent-container-stats.ts';
import type { ContainerStats } from './stats/container-stats.ts';
import { killContainer, stopContainer } from './stop.ts';
import { attachTo } from './streams.ts';
import { renameContainer, updateContainer } from './update.ts';

export interface ContainersDeps {
  readonly knex: Knex;
  readonly images: Images;
  readonly snapshotter: Snapshotter;
  readonly volumes: Volumes;
  readonly networks: ContainerNetworks;
  readonly events: EventBus;
  /** The agent's own folder; containers/ is made in it. */
  readonly dataDirectory: string;
  /** A folder that may be lost at a reboot; runs/, exits/, runtime/ and parts/ are made in it. */
  readonly runDirectory: string;
  /** Descriptor of the host's mount namespace; undefined where the process is in it. */
  readonly hostNamespace?: number | undefined;
  readonly runtime: Runtime;
  /** The AppArmor profile of containers that name none; undefined where the host has no AppArmor. */
  readonly apparmor?: string | undefined;
  readonly trees: TreeTars;
  readonly log: Logger;
  /** The program of the thread that serves attached clients; tests replace it. */
  readonly attachWorker?: URL;
}

/** The containers of a host and all that acts on them. */
export interface RunningContainers extends Containers {
  readonly archive: ContainerArchive;
  readonly trees: ContainerTrees;
  readonly control: ContainerControl;
  readonly stats: ContainerStats;
  readonly execs: Execs;
  readonly ociHost: OciHost;
  /** Stops watching and disconnects attached clients. Containers keep running, and the next agent finds them. */
  close(): Promise<void>;
}

/**
 * Migrates the database, recovers the containers of an earlier agent, and resolves when they can be used. Throws an Error
 * that says what the host lacks.
 */
export async function createContainers(deps: ContainersDeps): Promise<RunningContainers> {
  const paths = sharedPaths(deps);
  const libc = loadLibc();
  const hostMounts = new HostMounts(libc, deps.hostNamespace);
  const [host] = await Promise.all([
    readOciHost({ runtime: deps.runtime, apparmor: deps.apparmor, files: hostMounts }),
    migrate(deps.knex, CONTAINER_MIGRATIONS_TABLE, CONTAINER_MIGRATIONS),
    ...Object.values(paths).map((folder) => mkdir(folder, { recursive: true, mode: 0o700 })),
  ]);
  const stopping = new AbortController();
  const context: ContainerContext = {
    images: deps.images,
    snapshotter: deps.snapshotter,
    volumes: deps.volumes,
    volumeMounts: new LocalVolumeMounts(deps.volumes, hostMounts, paths.parts),
    copyUp: new CopyUp(libc, deps.trees, loadXattrs()),
    networks: deps.networks,
    events: deps.events,
    log: deps.log,
    host,
    commands: new RuntimeCommands(deps.runtime, paths.runtimeRoot),
    table: new ContainerTable(deps.knex, (id) => runPaths(paths, id).log),
    index: new ContainerIndex(),
    hub: new AttachHub(deps.log, deps.attachWorker),
    paths,
    dataFolder: deps.dataDirectory,
    hostMounts,
    moves: new CgroupMoves(host.cgroups),
    bootId: readBootId(),
    stopping: stopping.signal,
  };
  const execs = new AgentExecs(context);
  await recover(context);
  const watch = new ExitWatch(
    paths.exits,
    (id) => void handleExitFile(context, id),
    () => void checkRuns(context),
  );
  const rotation = new LogRotation(context.index, deps.events, deps.log);
  const health = new HealthChecks({ ...context, execs });
  return {
    ...containersOver(context),
    archive: new AgentContainerArchive(context, deps.trees),
    trees: new AgentContainerTrees(context, deps.trees),
    control: containerControl(context),
    stats: new AgentContainerStats(context),
    execs,
    ociHost: host,
    close: async () => {
      stopping.abort();
      watch.close();
      rotation.close();
      health.close();
      for (const live of context.index.all()) clearTimeout(live.restartTimer);
      await Promise.all(context.index.all().map((live) => live.mutex.run(async () => undefined)));
      await execs.close();
      await context.hub.close();
      context.moves.close();
      await hostMounts.close();
    },
  };
}

function containersOver(context: ContainerContext): Containers {
  const find = (ref: string) => context.index.find(ref);
  const start = (live: LiveContainer) =>
    live.mutex.run(async () => {
      // It may have been removed while this start waited for the mutex.
      find(live.id);
      live.failures = 0;
      live.change({ state: { restartCount: 0 } });
      await startLocked(context, live);
    });
  return {
    create: (request) => createContainer(context, request),
    start: async (ref) => start(find(ref)),
    restart: async (ref, options) => {
      const live = find(ref);
      live.restarts += 1;
      try {
        await stopContainer(context, live, options).catch(unlessNotModified);
      } finally {
        live.restarts -= 1;
      }
      await start(live).catch(unlessNotModified);
    },
    stop: async (ref, options) => stopContainer(context, find(ref), options),
    kill: async (ref, signal) => killContainer(context, find(ref), signal),
    remove: async (ref, options) => removeContainer(context, find(ref), options),
    wait: async (ref, condition, signal) => {
      const live = find(ref);
      const { status, exitCode } = live.container.state;
      const runs = status === 'running' || status === 'paused' || status === 'restarting';
      if (condition === 'not-running' && !runs) return { result: Promise.resolve({ exitCode }) };
      return { result: live.waiters.add(condition, signal) };
    },
    attach: async (ref, options) => attachTo(context, find(ref), options),
    logs: async (ref, options, signal) => {
      const live = find(ref);
      const { state, hostConfig } = live.container;
      if (hostConfig.LogConfig.Type === 'none') {
        throw new EngineError('not-implemented', 'configured logging driver does not support reading');
      }
      const runs = state.status === 'running' || state.status === 'paused' || state.status === 'restarting';
      const ended = options.follow && runs ? live.waiters.add('next-exit', signal) : Promise.resolve();
      return readLog(live.paths.log, options, ended, signal);
    },
    resize: async (ref, size) => {
      const live = find(ref);
      await live.mutex.run(async () => undefined);
      if (live.run === undefined || !(await resizeConsole(live.paths.control, size))) {
        throw new EngineError('conflict', `Container ${live.id} is not running`);
      }
    },
    connect: async (ref, network, settings) => connectContainer(context, find(ref), network, settings),
    disconnect: async (ref, network) => disconnectContainer(context, find(ref), network),
    get: async (ref) => find(ref).container,
    list: async () =>
      context.index
        .all()
        .map((live) => live.container)
        .reverse()
        .sort((a, b) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : 0)),
  };
}

function unlessNotModified(error: unknown): void {
  if (!(isEngineError(error) && error.code === 'not-modified')) throw error;
}

/** See ContainerControl. */
function containerControl(context: ContainerContext): ContainerControl {
  const find = (ref: string) => context.index.find(ref);
  return {
    pause: async (ref) => pauseContainer(context, find(ref)),
    unpause: async (ref) => unpauseContainer(context, find(ref)),
    rename: async (ref, name) => renameContainer(context, find(ref), name),
    unlink: async (ref) => unlinkContainer(context, ref),
    update: async (ref, changes) => updateContainer(context, find(ref), changes),
  };
}
