import { dirname, join } from 'node:path';

/** Where the files of one container lie, all below the agent's data folder. */
export interface RunPaths {
  readonly id: string;
  /** The container's own folder; it goes with the container. */
  readonly home: string;
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
  readonly hosts: string;
  readonly hostname: string;
  readonly resolvConf: string;
  /** The /dev/shm that a container shares with others. */
  readonly shm: string;
}

/** The folders that containers share. */
export interface SharedPaths {
  readonly containers: string;
  readonly exits: string;
  readonly runtimeRoot: string;
  /** Where parts of volumes, stages and images are mounted for the runtime. */
  readonly parts: string;
}

export function sharedPaths(dataDirectory: string): SharedPaths {
  return {
    containers: join(dataDirectory, 'containers'),
    exits: join(dataDirectory, 'exits'),
    runtimeRoot: join(dataDirectory, 'runtime'),
    parts: join(dataDirectory, 'parts'),
  };
}

export function runPaths(shared: SharedPaths, id: string): RunPaths {
  const home = join(shared.containers, id);
  const bundle = join(home, 'bundle');
  return {
    id,
    home,
    bundle,
    spec: join(bundle, 'config.json'),
    attach: join(bundle, 'attach'),
    control: join(bundle, 'ctl'),
    containerPid: join(bundle, 'pid'),
    conmonPid: join(bundle, 'conmon.pid'),
    persist: join(home, 'persist'),
    oomMark: join(bundle, 'oom'),
    exitFile: join(shared.exits, id),
    exits: shared.exits,
    runtimeRoot: shared.runtimeRoot,
    log: join(home, 'container.log'),
    ...etcFiles(home),
    shm: join(home, 'shm'),
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
