import { constants, type FSWatcher, watch } from 'node:fs';
import { access, open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Libc } from '../../lib/linux/libc.ts';
import { readProcessStat } from '../../lib/linux/process/proc.ts';
import { signalProcess } from '../../lib/linux/process/signal-process.ts';
import { spawnLight } from '../../lib/linux/process/spawn-light.ts';
import type { RunPaths } from './run-paths.ts';
import { RUNTIME_ENVIRONMENT, type RuntimeCommands } from './runtime-commands.ts';
import type { Runtime } from './runtimes.ts';

const SIGKILL = 9;
/** Milliseconds between checks of a monitor that has not reported. */
const CHECK_INTERVAL = 2_000;
/** Checks until a silent runtime is killed. */
const MAX_CHECKS = 30;
/** Checks until the monitor of a created container is killed; it reports within milliseconds of the creation. */
const MAX_CHECKS_WHEN_CREATED = 5;
/** Maximum rows and columns that conmon accepts. */
const MAX_TERMINAL_SIZE = 1000;

/** A container that has been created and not yet started, and its monitor. */
export interface Monitored {
  /** PID of the container's first process in the host's pid namespace. */
  readonly pid: number;
  readonly startTime: number;
  readonly conmonPid: number;
  readonly conmonStartTime: number;
}

export interface MonitorOptions extends Pick<WatchedMonitor, 'libc' | 'commands'> {
  readonly id: string;
  readonly name: string;
  readonly runtime: Runtime;
  readonly paths: RunPaths;
  readonly tty: boolean;
  readonly stdin: boolean;
  /** If false, conmon closes the container's stdin when a client closes its end. */
  readonly keepStdin: boolean;
  readonly keepsLog: boolean;
  /** Bytes after which conmon truncates the log; undefined means no limit. */
  readonly logLimit: number | undefined;
}

/** The runtime could not create the container; `stderr` is its error output. */
export class RuntimeCreateError extends Error {
  readonly stderr: string;
  constructor(stderr: string) {
    super(`the OCI runtime could not create the container: ${stderr}`);
    this.name = 'RuntimeCreateError';
    this.stderr = stderr;
  }
}

/**
 * Starts conmon, which runs `RUNTIME create` and then owns the container's pipes or terminal, its log and its exit code.
 * conmon has its own session and no parent, so it outlives the agent. Throws RuntimeCreateError.
 */
export async function startMonitor(options: MonitorOptions): Promise<Monitored> {
  const child = spawnLight(options.runtime.conmon, monitorArguments(options), {
    env: { ...RUNTIME_ENVIRONMENT, _OCI_SYNCPIPE: '3' },
    cwd: options.paths.bundle,
    report: true,
  });
  const stopChecks = endStuckMonitor(options);
  const [report, stderr] = await Promise.all([
    firstLine(child.report as Readable).finally(stopChecks),
    text(child.stderr),
    child.exit,
  ]);
  if (report === undefined) {
    const reason =
      stderr.trim() || 'conmon or the runtime was killed before the container was created: start it again';
    throw new RuntimeCreateError(reason);
  }
  const { data: pid, message } = JSON.parse(report) as { data: number; message?: string };
  if (pid <= 0) throw new RuntimeCreateError(message ?? '');
  const conmonPid = Number(await readFile(options.paths.conmonPid, 'latin1'));
  return {
    pid,
    startTime: readProcessStat(pid)?.startTime ?? 0,
    conmonPid,
    conmonStartTime: readProcessStat(conmonPid)?.startTime ?? 0,
  };
}

// Returns conmon's arguments. conmon cuts the log's path at a colon, so it gets a relative path without one.
function monitorArguments(options: MonitorOptions): readonly string[] {
  const { id, paths, runtime } = options;
  return [
    '--api-version',
    '1',
    '-c',
    id,
    '-u',
    id,
    '-n',
    options.name,
    '-r',
    runtime.program,
    '-b',
    paths.bundle,
    '-p',
    paths.containerPid,
    '-P',
    paths.conmonPid,
    '--exit-dir',
    paths.exits,
    '--persist-dir',
    paths.persist,
    '-l',
    options.keepsLog ? `k8s-file:${paths.logFromBundle}` : 'none',
    ...(options.logLimit === undefined ? [] : ['--log-size-max', String(options.logLimit)]),
    '--full-attach',
    '--no-sync-log',
    '--runtime-arg',
    '--root',
    '--runtime-arg',
    paths.runtimeRoot,
    ...(options.stdin ? ['-i'] : []),
    ...(options.tty ? ['-t'] : []),
    ...(options.keepStdin ? ['--leave-stdin-open'] : []),
  ];
}

/** Reads up to the first line feed; undefined if the stream ends empty. */
function firstLine(stream: Readable): Promise<string | undefined> {
  return new Promise((resolve) => {
    let received = '';
    const done = (line: string | undefined) => {
      stream.destroy();
      resolve(line);
    };
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      received += chunk;
      const end = received.indexOf('\n');
      if (end >= 0) done(received.slice(0, end));
    });
    stream.once('close', () => done(received === '' ? undefined : received));
  });
}

/** Kills the conmon of a container, if it runs. */
export async function killMonitor(libc: Libc, paths: RunPaths): Promise<void> {
  const pid = Number(await readFile(paths.conmonPid, 'latin1').catch(() => '0'));
  const stat = pid > 0 ? readProcessStat(pid) : undefined;
  if (stat === undefined) return;
  // The PID may have been reused.
  const command = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
  if (!command.includes('conmon') || !command.includes(paths.id)) return;
  signalProcess(libc, pid, stat.startTime, SIGKILL);
}

interface WatchedMonitor {
  readonly libc: Libc;
  readonly commands: Pick<RuntimeCommands, 'status'>;
  readonly paths: RunPaths;
}

/**
 * Kills conmon when it can no longer report. A runtime that is killed after it has created the container leaves conmon waiting
 * for the end of an error stream that the container's own process holds; a runtime may also hang. Returns a function that
 * stops the checks.
 */
function endStuckMonitor({ libc, commands, paths }: WatchedMonitor): () => void {
  let checks = 0;
  let checksWhenCreated = 0;
  let isOver = false;
  const check = async () => {
    checks += 1;
    const created = (await commands.status(paths.id).catch(() => undefined)) === 'created';
    if (isOver) return;
    checksWhenCreated = created ? checksWhenCreated + 1 : 0;
    // On an overloaded host conmon may be slow.
    if (checksWhenCreated >= MAX_CHECKS_WHEN_CREATED || checks === MAX_CHECKS)
      await killMonitor(libc, paths).catch(() => undefined);
    timer = setTimeout(check, CHECK_INTERVAL).unref();
  };
  let timer = setTimeout(check, CHECK_INTERVAL).unref();
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}

/** Writes one command to conmon's control FIFO. Returns false when conmon has exited. */
export async function sendToMonitor(control: string, command: string): Promise<boolean> {
  try {
    const fifo = await open(control, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      await fifo.write(`${command}\n`);
    } finally {
      await fifo.close();
    }
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENXIO' || code === 'ENOENT' || code === 'EPIPE') return false;
    throw error;
  }
}

/** Sets the size of the container's terminal. Returns false when conmon has exited. */
export async function resizeConsole(
  control: string,
  size: { readonly rows: number; readonly columns: number },
): Promise<boolean> {
  const rows = Math.min(MAX_TERMINAL_SIZE, size.rows);
  const columns = Math.min(MAX_TERMINAL_SIZE, size.columns);
  return sendToMonitor(control, `1 ${rows} ${columns}`);
}

/** Reports whether conmon recorded an out-of-memory kill in the container. */
export async function wasOomKilled(paths: RunPaths): Promise<boolean> {
  const marks = await Promise.all([paths.oomMark, join(paths.persist, 'oom')].map(exists));
  return marks.includes(true);
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

const ID = /^[0-9a-f]{64}$/;
const RESCAN = 10_000;

/** The exit of a container as recorded by conmon. */
export interface ExitRecord {
  readonly exitCode: number;
  readonly finishedAt: Date;
}

/** Reads an exit file; undefined until conmon has written it. */
export async function readExitRecord(path: string): Promise<ExitRecord | undefined> {
  try {
    const [text, { mtime }] = await Promise.all([readFile(path, 'latin1'), stat(path)]);
    const exitCode = Number.parseInt(text, 10);
    return { exitCode: Number.isNaN(exitCode) ? 255 : exitCode, finishedAt: mtime };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Watches the folder of exit files by inotify, and rescans it periodically in case an event was lost. Calls `onExit` for
 * each file, possibly more than once, and `onRescan` after each rescan.
 */
export class ExitWatch {
  readonly #folder: string;
  readonly #onExit: (id: string) => void;
  readonly #onRescan: () => void;
  readonly #watcher: FSWatcher;
  readonly #timer: NodeJS.Timeout;

  constructor(folder: string, onExit: (id: string) => void, onRescan: () => void) {
    this.#folder = folder;
    this.#onExit = onExit;
    this.#onRescan = onRescan;
    this.#watcher = watch(folder, { persistent: false }, (_, name) => this.#notify(name ?? ''));
    // The rescan continues without it.
    this.#watcher.on('error', () => this.#watcher.close());
    this.#timer = setInterval(() => void this.#rescan(), RESCAN);
    this.#timer.unref();
  }

  close(): void {
    this.#watcher.close();
    clearInterval(this.#timer);
  }

  async #rescan(): Promise<void> {
    const names = await readdir(this.#folder).catch(() => []);
    for (const name of names) this.#notify(name);
    this.#onRescan();
  }

  #notify(name: string): void {
    // conmon writes a temporary file and renames it, so a file with an ID's name is complete.
    if (ID.test(name)) this.#onExit(name);
  }
}
