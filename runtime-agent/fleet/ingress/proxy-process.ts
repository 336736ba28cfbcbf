import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeFolder } from '../../../lib/files/make-folder.ts';
import { writePrivateFile } from '../../../lib/files/private-file.ts';
import type { Libc } from '../../../lib/linux/libc.ts';
import { isProcessAlive, readProcessStat } from '../../../lib/linux/process/proc.ts';
import { runProcess } from '../../../lib/linux/process/run-process.ts';
import { signalProcess } from '../../../lib/linux/process/signal-process.ts';
import { IngressError } from './ingress.ts';
import { alerts, ProxyAdmin, type ProxyPids } from './proxy-admin.ts';

const SIGKILL = 9;
const SIGTERM = 15;
/** Timeout for HAProxy to read its configuration and to listen, milliseconds. */
const START_TIMEOUT = 30_000;
/** Checks, 50 ms apart, until a master answers. */
const ANSWER_CHECKS = 300;
/** Checks, 20 ms apart, of processes that were told to end. */
const END_CHECKS = 150;
const PROGRAM = 'haproxy';

export interface ProxyProcessOptions {
  /** The ingress's own folder. */
  readonly folder: string;
  /** Descriptor of the host's mount namespace, in which the proxy runs; if absent, this process's own. */
  readonly hostNamespace?: number;
  readonly searchPath: string;
  readonly libc: Libc;
}

/**
 * Runs HAProxy as separate processes: a master and a worker, which the master replaces on demand; a replaced worker
 * keeps its connections. The master has no parent and its own session, like conmon, so it outlives the agent. Its
 * socket shows whether it is running, so no state is needed.
 */
export class ProxyProcess {
  /** Admin of the worker that accepts connections. */
  readonly admin: ProxyAdmin;
  readonly #options: ProxyProcessOptions;
  readonly #master: ProxyAdmin;

  constructor(options: ProxyProcessOptions) {
    this.#options = options;
    this.admin = new ProxyAdmin(this.#adminSocket);
    this.#master = new ProxyAdmin(this.#masterSocket);
  }

  /** Returns undefined when it is not running. Throws IngressError when it is running and does not answer. */
  async pids(): Promise<ProxyPids | undefined> {
    for (let check = 0; check < ANSWER_CHECKS; check += 1) {
      const pids = await this.#master.pids();
      if (pids !== undefined) return pids;
      if (!(await isProxyRunning(this.#options.folder))) return undefined;
      // The master replaces its own program after a start and at each reload.
      await sleep(50);
    }
    throw new IngressError('HAProxy runs and does not answer on its socket.');
  }

  /** Returns all workers, the one that accepts connections first; none when the proxy is not running. */
  async workers(): Promise<readonly ProxyAdmin[]> {
    const old = (await this.pids())?.old;
    if (old === undefined) return [];
    return [this.admin, ...old.map((pid) => new ProxyAdmin(this.#masterSocket, pid))];
  }

  /**
   * Starts the proxy, or replaces its worker without closing a listening socket. `render` returns the configuration for
   * the path of the worker's socket. Throws IngressError with HAProxy's message; an existing worker then continues.
   */
  async launch(render: (socket: string) => string): Promise<void> {
    const { folder, hostNamespace, searchPath } = this.#options;
    makeFolder(join(folder, 'empty'));
    const program = await findProgram(searchPath);
    await writePrivateFile(this.#config, render(this.#adminSocket));
    if ((await this.pids()) !== undefined) {
      await this.#master.reload();
      await this.pids();
      return;
    }
    const enter =
      hostNamespace === undefined
        ? []
        : ['nsenter', `--mount=/proc/${process.pid}/fd/${hostNamespace}`, '--wd=/', '--'];
    const socket = `${this.#masterSocket},mode,600`;
    const command = [...enter, program, '-W', '-D', '-S', socket, '-p', this.#pidFile, '-f', this.#config];
    const { exitCode, stderr } = await runProcess(command[0] ?? program, command.slice(1), {
      cwd: '/',
      env: { PATH: searchPath },
      timeout: START_TIMEOUT,
    });
    if (exitCode !== 0 || !(await this.#isUp())) {
      throw new IngressError(`HAProxy could not start: ${alerts(stderr)}`);
    }
  }

  /** Calls `onEnd` once when the proxy has ended. Returns a function that stops watching. */
  watch(onEnd: () => void): () => void {
    let stop: () => void = () => undefined;
    let isOver = false;
    const look = () => {
      stop = this.#master.watch(async () => {
        const isThere = await this.pids().then(
          (pids) => pids !== undefined,
          () => true,
        );
        if (isOver) return;
        if (isThere) look();
        else onEnd();
      });
    };
    look();
    return () => {
      isOver = true;
      stop();
    };
  }

  /** Ends all its processes at once. */
  async end(): Promise<void> {
    const { libc } = this.#options;
    const pids = await this.pids();
    if (pids === undefined) return;
    const identities = [pids.master, pids.worker, ...pids.old].flatMap((pid) => {
      const stat = readProcessStat(pid);
      return stat === undefined ? [] : [{ pid, startTime: stat.startTime }];
    });
    const [master] = identities;
    if (master !== undefined) signalProcess(libc, master.pid, master.startTime, SIGTERM);
    for (let check = 0; check < END_CHECKS; check += 1) {
      if (identities.every(({ pid, startTime }) => !isProcessAlive(pid, startTime))) return;
      await sleep(20);
    }
    for (const { pid, startTime } of identities) signalProcess(libc, pid, startTime, SIGKILL);
  }

  /** Waits until a newly started master answers. */
  async #isUp(): Promise<boolean> {
    for (let check = 0; check < ANSWER_CHECKS; check += 1) {
      if ((await this.#master.pids()) !== undefined) return true;
      await sleep(50);
    }
    return false;
  }

  get #config(): string {
    return configFile(this.#options.folder);
  }

  get #pidFile(): string {
    return pidFile(this.#options.folder);
  }

  get #adminSocket(): string {
    return join(this.#options.folder, 'worker.sock');
  }

  get #masterSocket(): string {
    return join(this.#options.folder, 'master.sock');
  }
}

/** Reports whether the proxy of a folder is running, by its pid file alone: it may not answer. */
export async function isProxyRunning(folder: string): Promise<boolean> {
  const pid = Number(await readFile(pidFile(folder), 'latin1').catch(() => '0'));
  const stat = pid > 0 ? readProcessStat(pid) : undefined;
  if (stat === undefined || !isProcessAlive(pid, stat.startTime)) return false;
  const command = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
  // It is empty for a moment while the process replaces its program.
  return command === '' || command.split('\0').includes(configFile(folder));
}

function configFile(folder: string): string {
  return join(folder, 'haproxy.cfg');
}

function pidFile(folder: string): string {
  return join(folder, 'master.pid');
}

async function findProgram(searchPath: string): Promise<string> {
  for (const folder of [...searchPath.split(':').filter((entry) => entry.startsWith('/')), '/usr/sbin']) {
    const path = join(folder, PROGRAM);
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  throw new IngressError(
    'HAProxy is not installed, which serves the routes of this host: run "apt-get install haproxy", or the equivalent of another distribution.',
  );
}
