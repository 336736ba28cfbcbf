import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const LOG = 'container.log';
const HOME_LINK = 'home';

/**
 * Paths of one container: permanent files lie in the agent's data folder, files of a run in the run folder, which is
 * in memory, so that containers run, and are seen to end, while the disk of the data folder is full.
 */
export interface RunPaths {
  readonly id: string;
  /** The container's own folder; it goes with the container. */
  readonly home: string;
  /** The folder of its run; it goes with the run. */
  readonly run: string;
  readonly bundle: string;
  /** Its presence says that a start was begun and its remains were not cleared. */
  readonly spec: string;
  readonly attach: string;
  readonly control: string;
  readonly containerPid: string;
  readonly conmonPid: string;
  readonly persist: string;
  readonly oomMark: string;
  /** conmon writes the exit code here, in a folder that all containers share. */
  readonly exitFile: string;
  readonly exits: string;
  readonly runtimeRoot: string;
  readonly log: string;
  /** The log, from the bundle on. */
  readonly logFromBundle: string;
  /** In the bundle, leads to the container's own folder. */
  readonly homeLink: string;
  readonly hosts: string;
  readonly hostname: string;
  readonly resolvConf: string;
  /** The /dev/shm that a container shares with others. */
  readonly shm: string;
}

/** The folders that containers share. */
export interface SharedPaths {
  readonly containers: string;
  /** One folder for each container that runs. */
  readonly runs: string;
  readonly exits: string;
  readonly runtimeRoot: string;
  /** Where parts of volumes, stages and images are mounted for the runtime. */
  readonly parts: string;
}

export interface AgentFolders {
  readonly dataDirectory: string;
  /** On a tmpfs, of this agent alone; the data folder where containers of an older agent run (`findRunFolder`). */
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

/** The files of a container's /etc that the agent writes, by the path of its log, which lies in the same folder. */
export function etcFilesBeside(log: string): Pick<RunPaths, 'hosts' | 'hostname' | 'resolvConf'> {
  return etcFiles(dirname(log));
}

function etcFiles(home: string): Pick<RunPaths, 'hosts' | 'hostname' | 'resolvConf'> {
  return {
    hosts: join(home, 'hosts'),
    hostname: join(home, 'hostname'),
    resolvConf: join(home, 'resolv.conf'),
  };
}

/**
 * Returns the folder for files of runs: `runDirectory`, which is in memory. Older agents had it in the data folder, so containers that one
 * of them has started are found there, until a start after which none of these is left.
 */
export async function findRunFolder(dataDirectory: string, runDirectory: string): Promise<string> {
  const older = await readdir(join(dataDirectory, 'runtime')).catch(unlessMissing);
  return older.length > 0 ? dataDirectory : runDirectory;
}

function unlessMissing(error: NodeJS.ErrnoException): readonly string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}
