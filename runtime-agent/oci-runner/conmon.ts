import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { readProcessStat } from '../../lib/linux/process/proc.ts';
import { spawnLight } from '../../lib/linux/process/spawn-light.ts';
import { endStuckMonitor, type WatchedMonitor } from './end-stuck-monitor.ts';
import type { RunPaths } from './run-paths.ts';
import { RUNTIME_ENVIRONMENT } from './runtime-commands.ts';
import type { Runtime } from './runtimes.ts';

/** A monitor that has had a container created, not yet started. */
export interface Monitored {
  /** Of the container's first process, in the host's pid namespace. */
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
  /** False: conmon closes the container's stdin when a client closes its end. */
  readonly keepStdin: boolean;
  readonly keepsLog: boolean;
  /** Bytes after which the log is begun anew; undefined is never. */
  readonly logLimit: number | undefined;
}

/** The runtime refused; `stderr` is what it wrote. */
export class RuntimeCreateError extends Error {
  readonly stderr: string;
  constructor(stderr: string) {
    super(`the OCI runtime could not create the container: ${stderr}`);
    this.name = 'RuntimeCreateError';
    this.stderr = stderr;
  }
}

/**
 * Starts conmon, which runs `RUNTIME create` and from then on holds the container's pipes or terminal, its log and its
 * exit code. conmon has a session of its own and no parent, so it outlives the agent. Throws RuntimeCreateError.
 */
export async function startMonitor(options: MonitorOptions): Promise<Monitored> {
  const child = spawnLight(options.runtime.conmon, monitorArguments(options), {
    env: { ...RUNTIME_ENVIRONMENT, _OCI_SYNCPIPE: '3' },
    cwd: options.paths.bundle,
    report: true,
  });
  const endWatch = endStuckMonitor(options);
  const [said, stderr] = await Promise.all([
    firstLine(child.report as Readable).finally(endWatch),
    text(child.stderr),
    child.exit,
  ]);
  if (said === undefined) {
    const reason = stderr.trim() || 'conmon or the runtime was killed before it was made: start it again';
    throw new RuntimeCreateError(reason);
  }
  const { data: pid, message } = JSON.parse(said) as { data: number; message?: string };
  if (pid <= 0) throw new RuntimeCreateError(message ?? '');
  const conmonPid = Number(await readFile(options.paths.conmonPid, 'latin1'));
  return {
    pid,
    startTime: readProcessStat(pid)?.startTime ?? 0,
    conmonPid,
    conmonStartTime: readProcessStat(conmonPid)?.startTime ?? 0,
  };
}

// conmon cuts the log's path at a colon, so it gets one that starts in its working directory and has none.
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

/** The text before the first line feed, or undefined when the stream ends without one. */
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
