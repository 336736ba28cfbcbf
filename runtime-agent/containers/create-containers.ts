import { mkdir } from 'node:fs/promises';
import type { Knex } from 'knex';
import type { Logger } from 'pino';
import { CgroupMoves } from '../../lib/linux/cgroups/cgroups.ts';
import { loadXattrs } from '../../lib/linux/files/xattrs.ts';
import { loadLibc } from '../../lib/linux/libc.ts';
import { HostMounts } from '../../lib/linux/mount/host-mounts.ts';
import { migrate } from '../../storage/catalog/migrate.ts';
import { EngineError, isEngineError } from '../errors.ts';
import type { EventBus } from '../events/event-bus.ts';
import type { Images } from '../images/images.ts';
import type { ContainerNetworks } from '../networks/container-networks.ts';
import { ExitWatch, resizeConsole } from '../oci-runner/conmon.ts';
import { type OciHost, readOciHost } from '../oci-runner/oci-host.ts';
import { runPaths, sharedPaths } from '../oci-runner/run-paths.ts';
import { RuntimeCommands } from '../oci-runner/runtime-commands.ts';
import type { Runtime } from '../oci-runner/runtimes.ts';
import type { TreeTars } from '../snapshots/diff/tree-tar.ts';
import type { RootfsOverlays } from '../snapshots/rootfs-overlays.ts';
import { CopyUp } from '../volumes/copy-up.ts';
import { LocalVolumeMounts } from '../volumes/local-volume-mounts.ts';
import type { Volumes } from '../volumes/volume.ts';
import { AttachHub } from './attach/attach-hub.ts';
import { connectContainer, disconnectContainer } from './connect.ts';
import type { Container, ContainerServices } from './container.ts';
import { ContainerIndex } from './container-index.ts';
import type { ContainerInfo } from './container-info.ts';
import { ContainerTable } from './container-table.ts';
import type { ContainerControl, Containers } from './containers.ts';
import { type CreateDeps, createContainer } from './create.ts';
import { AgentExecs } from './exec/agent-execs.ts';
import type { Execs } from './exec/execs.ts';
import { handleExitFile } from './exit.ts';
import { AgentContainerArchive } from './files/agent-container-archive.ts';
import { AgentContainerTrees } from './files/agent-container-trees.ts';
import type { ContainerArchive } from './files/container-archive.ts';
import type { ContainerTrees } from './files/container-trees.ts';
import { HealthChecks } from './health/health-checks.ts';
import { LogRotation } from './logs/log-rotation.ts';
import { readLog } from './logs/read-log.ts';
import { CONTAINER_MIGRATIONS, CONTAINER_MIGRATIONS_TABLE } from './migrations.ts';
import { pauseContainer, unpauseContainer } from './pause.ts';
import { checkRuns, type RecoverDeps, recover } from './recover.ts';
import { removeContainer } from './remove.ts';
import { ContainerMounts } from './run/container-mounts.ts';
import { unlinkContainer } from './run/links.ts';
import { startLocked } from './start.ts';
import { AgentContainerStats } from './stats/agent-container-stats.ts';
import type { ContainerStats } from './stats/container-stats.ts';
import { killContainer, stopContainer } from './stop.ts';
import { renameContainer, setContainerReady, updateContainer } from './update.ts';

export interface ContainersDeps {
  readonly knex: Knex;
  readonly images: Images;
  readonly overlays: RootfsOverlays;
  readonly volumes: Volumes;
  readonly networks: ContainerNetworks;
  readonly events: EventBus;
  /** The agent's own folder, which contains containers/. */
  readonly dataDirectory: string;
  /** A folder that may be lost at a reboot; it contains runs/, exits/, runtime/ and parts/. */
  readonly runDirectory: string;
  /** Descriptor of the host's mount namespace; undefined if the process is in it. */
  readonly hostNamespace?: number | undefined;
  readonly runtime: Runtime;
  /** The default AppArmor profile of containers; undefined if the host has no AppArmor. */
  readonly apparmor?: string | undefined;
  readonly trees: TreeTars;
  readonly log: Logger;
  /** The program of the thread that serves attached clients; tests replace it. */
  readonly attachWorker?: URL;
}

/** The containers of a host, with all operations on them. */
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
 * Migrates the database, recovers the containers of an earlier agent, and resolves when they can be used. Throws an
 * Error that says what the host lacks.
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
  const services: ContainerServices = {
    paths,
    table: new ContainerTable(deps.knex, (id) => runPaths(paths, id).log),
    events: deps.events,
    hub: new AttachHub(deps.log, deps.attachWorker),
    commands: new RuntimeCommands(deps.runtime, paths.runtimeRoot),
    libc,
    log: deps.log,
  };
  const { images, overlays, networks, trees } = deps;
  const index = new ContainerIndex();
  const moves = new CgroupMoves(host.cgroups);
  const mounts = new ContainerMounts({
    volumes: deps.volumes,
    volumeMounts: new LocalVolumeMounts(deps.volumes, hostMounts, paths.parts),
    copyUp: new CopyUp(libc, trees, loadXattrs()),
    hostMounts,
    libc,
    partsFolder: paths.parts,
    dataFolder: deps.dataDirectory,
  });
  const life: LifeDeps = {
    host,
    commands: services.commands,
    images,
    overlays,
    networks,
    mounts,
    moves,
    index,
    paths,
    services,
    stopping: stopping.signal,
  };
  const execs = new AgentExecs({ host, moves, index, runtimeRoot: paths.runtimeRoot });
  await recover(life);
  const watch = new ExitWatch(
    paths.exits,
    (id) => void handleExitFile(life, id, deps.log),
    () => void checkRuns(life),
  );
  const rotation = new LogRotation(index, deps.events, deps.log);
  const health = new HealthChecks({ index, events: deps.events, execs });
  return {
    ...containersOver(life),
    archive: new AgentContainerArchive({ images, overlays, mounts, index }, trees),
    trees: new AgentContainerTrees({ images, overlays, index }, trees),
    control: containerControl(life),
    stats: new AgentContainerStats(index, host.cgroups),
    execs,
    ociHost: host,
    close: async () => {
      stopping.abort();
      watch.close();
      rotation.close();
      health.close();
      for (const container of index.all()) clearTimeout(container.restartTimer);
      await Promise.all(index.all().map((container) => container.settled()));
      await execs.close();
      await services.hub.close();
      moves.close();
      await hostMounts.close();
    },
  };
}

/** Dependencies of the whole life cycle of containers. */
type LifeDeps = CreateDeps & RecoverDeps;

function containersOver(deps: LifeDeps): Containers {
  const { index, networks } = deps;
  const find = (ref: string) => index.find(ref);
  const start = (container: Container) =>
    container.lock(async () => {
      container.checkExists();
      container.failures = 0;
      container.change({ state: { restartCount: 0 } });
      await startLocked(deps, container);
    });
  return {
    create: (request) => createContainer(deps, request),
    start: async (ref) => start(find(ref)),
    restart: async (ref, options) => {
      const container = find(ref);
      container.restarts += 1;
      try {
        await stopContainer(container, options).catch(unlessNotModified);
      } finally {
        container.restarts -= 1;
      }
      await start(container).catch(unlessNotModified);
    },
    stop: async (ref, options) => stopContainer(find(ref), options),
    kill: async (ref, signal) => killContainer(find(ref), signal),
    remove: async (ref, options) => removeContainer(deps, find(ref), options),
    wait: async (ref, condition, signal) => {
      const { info, waiters } = find(ref);
      const { exitCode } = info.state;
      if (condition === 'not-running' && !isActive(info)) return { result: Promise.resolve({ exitCode }) };
      return { result: waiters.add(condition, signal) };
    },
    attach: async (ref, options) => find(ref).attach(options),
    logs: async (ref, options, signal) => {
      const { info, paths, waiters } = find(ref);
      if (info.hostConfig.LogConfig.Type === 'none') {
        throw new EngineError('not-implemented', 'configured logging driver does not support reading');
      }
      const follows = options.follow && isActive(info);
      const ended = follows ? waiters.add('next-exit', signal) : Promise.resolve();
      return readLog(paths.log, options, ended, signal);
    },
    resize: async (ref, size) => {
      const container = find(ref);
      await container.settled();
      const { id, run, paths } = container;
      if (run === undefined || !(await resizeConsole(paths.control, size))) {
        throw new EngineError('conflict', `Container ${id} is not running`);
      }
    },
    connect: async (ref, network, settings) => connectContainer(find(ref), networks, network, settings),
    disconnect: async (ref, network) => disconnectContainer(find(ref), networks, network),
    get: async (ref) => find(ref).info,
    list: async () =>
      index
        .all()
        .map(({ info }) => info)
        .reverse()
        .sort((a, b) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : 0)),
  };
}

/** Whether the container is running or about to run again. */
function isActive({ state: { status } }: ContainerInfo): boolean {
  return status === 'running' || status === 'paused' || status === 'restarting';
}

function unlessNotModified(error: unknown): void {
  if (!(isEngineError(error) && error.code === 'not-modified')) throw error;
}

/** See ContainerControl. */
function containerControl({ host, index, networks }: LifeDeps): ContainerControl {
  const find = (ref: string) => index.find(ref);
  return {
    pause: async (ref) => pauseContainer(find(ref)),
    unpause: async (ref) => unpauseContainer(find(ref)),
    rename: async (ref, name) => renameContainer(find(ref), name, { index, networks }),
    setReady: async (ref, isReady) => setContainerReady(find(ref), isReady, networks),
    unlink: async (ref) => unlinkContainer(index, ref),
    update: async (ref, changes) => updateContainer(find(ref), changes, host.cgroups),
  };
}
