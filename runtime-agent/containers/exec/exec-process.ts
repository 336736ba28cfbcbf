import { closeSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Libc } from '../../../lib/linux/libc.ts';
import { readProcessStat } from '../../../lib/linux/process/proc.ts';
import { runFirst } from '../../../lib/linux/process/realtime.ts';
import { signalGroup, signalProcess } from '../../../lib/linux/process/signal-process.ts';
import { type PipedProcess, spawnPiped } from '../../../lib/linux/process/spawn-piped.ts';
import { ConsoleSocket } from '../../../lib/linux/terminal/console-socket.ts';
import { openPseudoTerminal } from '../../../lib/linux/terminal/pseudo-terminal.ts';
import { openTerminal, singleReturns, type Terminal } from '../../../lib/linux/terminal/terminal.ts';
import { EngineError } from '../../errors.ts';
import { type OciProcess, writeOciJson } from '../../oci-runner/bundle.ts';
import { RUNTIME_ENVIRONMENT } from '../../oci-runner/runtime-commands.ts';
import { readExecFailure } from '../../oci-runner/runtime-error.ts';
import type { Runtime } from '../../oci-runner/runtimes.ts';
import type { ContainerInfo } from '../container-info.ts';
import { processEnvironment } from '../plan/process.ts';
import { resolveUser } from '../plan/user.ts';
import type { ExecEnds } from './exec-streams.ts';
import type { ExecRequest, TerminalSize } from './execs.ts';

/** Milliseconds between checks whether the runtime has started the process. */
const PAUSE = 1;
const SIGHUP = 1;
const SIGKILL = 9;

export interface ExecProcessOptions {
  readonly libc: Libc;
  readonly runtime: Runtime;
  readonly runtimeRoot: string;
  readonly containerId: string;
  /** Folder of this process's files while it runs, and their names without extensions. */
  readonly folder: string;
  readonly name: string;
  readonly process: OciProcess;
  readonly streams: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean };
}

/** A further process in a container, run by `RUNTIME exec`, which waits for its end. */
export interface ExecProcess {
  /** The client's streams, once it runs; or dockerd's message if it cannot run. */
  readonly started: Promise<ExecEnds | { readonly failure: string }>;
  /** 0 before it is started. */
  readonly pid: number;
  /** Its exit code; never rejects. */
  readonly exit: Promise<number>;
  /** Sends a signal, if it is running. */
  signal(signal: number): void;
  /** Sends SIGHUP to its process group, as losing a terminal does. */
  hangUp(): void;
  resize(size: TerminalSize): void;
}

/** Runs the process. Throws an Error when the runtime itself cannot be started. */
export function startExecProcess(options: ExecProcessOptions): ExecProcess {
  const { libc, runtime, folder, name, process: spec, streams } = options;
  const pidFile = join(folder, `${name}.pid`);
  // runc passes a terminal on only if it does not wait for the process; otherwise it copies between two terminals. runc
  // has this terminal add carriage returns, and stops the terminal of the process from adding them, but only after the
  // process has started: early lines would get two.
  const own = spec.terminal && runtime.name === 'runc' ? openPseudoTerminal(libc) : undefined;
  const console =
    spec.terminal && own === undefined ? new ConsoleSocket(libc, folder, `${name}.sock`) : undefined;
  let terminal = own && openTerminal(libc, own.master, singleReturns());
  if (spec.consoleSize !== undefined) terminal?.resize(spec.consoleSize.height, spec.consoleSize.width);
  let child: PipedProcess;
  try {
    child = spawnPiped(runtime.program, execArguments(options, pidFile, console), {
      env: RUNTIME_ENVIRONMENT,
      name: runtime.name,
      ...(spec.terminal ? { stdin: false, stdout: false, stderr: false } : streams),
      ...(own === undefined ? {} : { terminal: own.slave }),
      input: writeOciJson(spec),
      // crun sets the size of a terminal just after it has started the process. The process sees the right size because
      // crun runs with priority from before it reads the program.
      ...(console === undefined ? {} : { beforeInput: runFirst }),
    });
  } catch (error) {
    console?.close();
    terminal?.stream.destroy();
    throw error;
  } finally {
    if (own !== undefined) closeSync(own.slave);
  }
  const exit = child.exit.finally(() => {
    hasEnded = true;
    rmSync(pidFile, { force: true });
  });
  let hasEnded = false;
  let found = { pid: 0, startTime: 0 };

  const start = async (): ReturnType<typeof untilStarted> => {
    try {
      const fd = await console?.receive(child.report);
      if (fd !== undefined) terminal = openTerminal(libc, fd);
    } catch (error) {
      process.kill(child.pid, 'SIGKILL');
      throw error;
    } finally {
      console?.close();
    }
    return untilStarted();
  };
  const untilStarted = async (): Promise<ExecEnds | { readonly failure: string }> => {
    const report = await untilPidOrReport(pidFile, child.report);
    if (typeof report === 'number') {
      found = { pid: report, startTime: readProcessStat(report)?.startTime ?? 0 };
    } else if (report !== '') {
      for (const stream of [child.stdin, child.stdout, child.stderr, terminal?.stream]) stream?.destroy();
      return { failure: readExecFailure(runtime.name, report) };
    }
    return endsOf(child, terminal, streams.stdin);
  };

  return {
    started: start(),
    get pid() {
      return found.pid;
    },
    exit,
    signal: (signal) => {
      if (found.pid > 0) signalProcess(libc, found.pid, found.startTime, signal);
      else if (signal === SIGKILL && !hasEnded) process.kill(child.pid, 'SIGKILL');
    },
    hangUp: () => {
      if (found.pid > 0) signalGroup(libc, found.pid, found.startTime, SIGHUP);
    },
    resize: ({ rows, columns }) => {
      terminal?.resize(rows, columns);
      // A runtime that copies between terminals applies the size on a signal.
      if (own !== undefined && !hasEnded) process.kill(child.pid, 'SIGWINCH');
    },
  };
}

function execArguments(
  { runtimeRoot, containerId }: ExecProcessOptions,
  pidFile: string,
  console: ConsoleSocket | undefined,
): readonly string[] {
  return [
    '--root',
    runtimeRoot,
    // Its own messages, separate from the output of the process.
    '--log',
    '/proc/self/fd/3',
    'exec',
    '--process',
    '/proc/self/fd/4',
    '--pid-file',
    pidFile,
    ...(console === undefined ? [] : ['--console-socket', console.path]),
    containerId,
  ];
}

function endsOf(child: PipedProcess, terminal: Terminal | undefined, stdin: boolean): ExecEnds {
  if (terminal !== undefined) {
    const { stream } = terminal;
    return { stdin: stdin ? stream : undefined, outputs: [{ name: 'stdout', stream }], tty: true };
  }
  return {
    stdin: child.stdin,
    outputs: [
      ...(child.stdout === undefined ? [] : [{ name: 'stdout' as const, stream: child.stdout }]),
      ...(child.stderr === undefined ? [] : [{ name: 'stderr' as const, stream: child.stderr }]),
    ],
    tty: false,
  };
}

/** Returns the pid once the runtime has written it, or the report of a runtime that ended first. */
async function untilPidOrReport(pidFile: string, report: Promise<string>): Promise<number | string> {
  let reported: string | undefined;
  void report.then((text) => {
    reported = text;
  });
  for (;;) {
    const pid = readPid(pidFile);
    if (pid > 0) return pid;
    if (reported !== undefined) return reported;
    await sleep(PAUSE);
  }
}

/** Returns 0 while the file is missing or empty. */
function readPid(path: string): number {
  // Polled so often that an error on each poll would cost more than the rest.
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return 0;
  return Number.parseInt(readFileSync(path, 'latin1'), 10) || 0;
}

/** Inputs of an exec's process in addition to the request. */
interface ExecInputs {
  /** The container's own process. */
  readonly base: OciProcess;
  /** The container's /etc/passwd and /etc/group, '' if missing. */
  readonly accounts: { readonly passwd: string; readonly group: string };
  /** All capabilities that the agent can grant. */
  readonly capabilities: readonly string[];
  readonly size: TerminalSize | undefined;
  /** Variables of linked containers. */
  readonly links?: readonly string[];
}

/**
 * Returns the process of an exec (runtime-spec, config.md, "process"): like the container's own, with the changes in
 * the request. Throws EngineError 'bad-request' for a missing user or group.
 */
export function execProcess(container: ContainerInfo, request: ExecRequest, inputs: ExecInputs): OciProcess {
  const { base, size } = inputs;
  const { config, hostConfig } = container;
  const { uid, gid, additionalGids, home } =
    request.user === ''
      ? { ...base.user, home: resolveUser(String(base.user.uid), [], inputs.accounts).home }
      : resolveUser(request.user, hostConfig.GroupAdd, inputs.accounts);
  const cwd = request.workingDir === '' ? base.cwd : request.workingDir;
  // runc's message; crun would take the path as relative to the container's own.
  if (!cwd.startsWith('/')) {
    throw new EngineError(
      'bad-request',
      'OCI runtime exec failed: exec failed: Cwd must be an absolute path: unknown',
    );
  }
  const bounding = request.privileged ? inputs.capabilities : base.capabilities.bounding;
  // As execve does for a non-root process.
  const held = uid === 0 || request.privileged ? bounding : [];
  const { consoleSize: _, ...kept } = base;
  return {
    ...kept,
    terminal: request.tty,
    ...(request.tty && size !== undefined ? { consoleSize: { height: size.rows, width: size.columns } } : {}),
    user: { uid, gid, additionalGids },
    args: request.cmd,
    env: processEnvironment(
      { ...config, Tty: request.tty, Env: [...config.Env, ...request.env] },
      home,
      inputs.links,
    ),
    cwd,
    capabilities: { bounding, effective: held, permitted: held, inheritable: [], ambient: [] },
  };
}
