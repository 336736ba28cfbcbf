import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const LOG = 'container.log';
const HOME_LINK = 'home';

/**
 * Paths of one container. Permanent files lie in the agent's data folder, files of a run in the run folder, which is in
 * memory: containers run and exit even while the disk of the data folder is full.
 */
export interface RunPaths {
  readonly id: string;
  /** The container's own folder; removed with the container. */
  readonly home: string;
  /** The folder of its run; removed with the run. */
  readonly run: string;
  readonly bundle: string;
  /** Exists from the beginning of a start until the run is cleared. */
  readonly spec: string;
  readonly attach: string;
  readonly control: string;
  readonly containerPid: string;
  readonly conmonPid: string;
  readonly persist: string;
  readonly oomMark: string;
  /** conmon writes the exit code to this file, in a folder shared by all containers. */
  readonly exitFile: string;
  readonly exits: string;
  readonly runtimeRoot: string;
  readonly log: string;
  /** Path of the log relative to the bundle. */
  readonly logFromBundle: string;
  /** Link in the bundle to the container's own folder. */
  readonly homeLink: string;
  readonly hosts: string;
  readonly hostname: string;
  readonly resolvConf: string;
  /** Mount of the /dev/shm of a shareable container. */
  readonly shm: string;
}

/** The folders shared by all containers. */
export interface SharedPaths {
  readonly containers: string;
  /** Contains one folder for each running container. */
  readonly runs: string;
  readonly exits: string;
  readonly runtimeRoot: string;
  /** Mount points of parts of volumes, stages and images. */
  readonly parts: string;
}

export interface AgentFolders {
  readonly dataDirectory: string;
  /** On a tmpfs, of this agent alone; the data folder while containers of an older agent run (`findRunFolder`). */
  readonly runDirectory: string;
}

export function sharedPaths({ dataDirectory, runDirectory }: AgentFolders): SharedPaths {
  const containers = join(dataDirectory, 'containers');
  return {
    containers,
    runs: runDirectory === dataDirectory ? containers : join(runDirectory, 'runs'),
    exits: join(runDirectory, 'exits'),
    runtimeRoot: join(runDirectory, 'runtime'),
    parts: join(runDirectory, 'parts'),
  };
}

export function runPaths(shared: SharedPaths, id: string): RunPaths {
  const home = join(shared.containers, id);
  const run = join(shared.runs, id);
  const bundle = join(run, 'bundle');
  return {
    id,
    home,
    run,
    bundle,
    spec: join(bundle, 'config.json'),
    attach: join(bundle, 'attach'),
    control: join(bundle, 'ctl'),
    containerPid: join(bundle, 'pid'),
    conmonPid: join(bundle, 'conmon.pid'),
    persist: join(run, 'persist'),
    oomMark: join(bundle, 'oom'),
    exitFile: join(shared.exits, id),
    exits: shared.exits,
    runtimeRoot: shared.runtimeRoot,
    log: join(home, LOG),
    logFromBundle: join(HOME_LINK, LOG),
    homeLink: join(bundle, HOME_LINK),
    ...etcFiles(home),
    shm: join(run, 'shm'),
  };
}

/** Files of the agent that are mounted over those of the image. */
export type EtcFiles = Pick<RunPaths, 'hosts' | 'hostname' | 'resolvConf'>;

/** Returns the agent's /etc files of a container by the path of its log, which lies in the same folder. */
export function etcFilesBeside(log: string): EtcFiles {
  return etcFiles(dirname(log));
}

/** Returns the paths of the agent's /etc files in the folder of a container or build step. */
export function etcFiles(home: string): EtcFiles {
  return {
    hosts: join(home, 'hosts'),
    hostname: join(home, 'hostname'),
    resolvConf: join(home, 'resolv.conf'),
  };
}

/**
 * Returns the folder for files of runs: `runDirectory`, which is in memory, or the data folder as long as it has containers
 * that an older agent has started.
 */
export async function findRunFolder(dataDirectory: string, runDirectory: string): Promise<string> {
  const older = await readdir(join(dataDirectory, 'runtime')).catch(unlessMissing);
  return older.length > 0 ? dataDirectory : runDirectory;
}

function unlessMissing(error: NodeJS.ErrnoException): readonly string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}
