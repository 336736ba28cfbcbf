import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { type CleanupScope, defer } from './cleanup.ts';
import { LONGEST_WAIT } from './longest-wait.ts';

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ManagedProcess {
  readonly pid: number;
  /** The last 64 KiB that it wrote to standard output and standard error. */
  output(): string;
  /** The first line of its output, past or to come, that matches. Throws with its output when it ends or is silent. */
  waitForLine(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** How it ended; undefined while it runs. */
  exit(): ProcessExit | undefined;
  /** Resolves when it has ended; never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** Sends a signal and waits for the end. After `timeoutMs` it is killed and the promise rejects. */
  end(signal: NodeJS.Signals, timeoutMs?: number): Promise<ProcessExit>;
  /** The largest resident set so far, in bytes (VmHWM). Only while it runs. */
  peakRssBytes(): Promise<number>;
  /** User and system time so far, in seconds. Only while it runs. */
  cpuSeconds(): Promise<number>;
}

export interface ProcessOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** How the process is ended with its scope; SIGTERM unless given. */
  readonly endSignal?: NodeJS.Signals;
}

const OUTPUT_LIMIT = 64 * 1024;
/** USER_HZ, which Linux fixes at 100 on every architecture that Berth runs on (proc(5), "stat"). */
const TICKS_PER_SECOND = 100;

/**
 * Starts a program that runs until told otherwise. It ends with `scope`, and also when this process dies
 * without cleaning up: setpriv(1) has the kernel send it the signal then, and is replaced by it, so the pid is its own.
 * When the test fails, the end of what it printed is shown.
 */
export function startProcess(
  scope: CleanupScope,
  command: string,
  args: readonly string[],
  options: ProcessOptions = {},
): ManagedProcess {
  const endSignal = options.endSignal ?? 'SIGTERM';
  const child = spawn('setpriv', ['--pdeathsig', endSignal.slice(3), '--', command, ...args], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const listeners = new Set<() => void>();
  const take = (text: string) => {
    output = (output + text).slice(-OUTPUT_LIMIT);
    for (const listener of listeners) listener();
  };
  child.stdout.setEncoding('utf8').on('data', take);
  child.stderr.setEncoding('utf8').on('data', take);

  let ended: ProcessExit | undefined;
  const exited = new Promise<ProcessExit>((resolve) => {
    const finish = (exit: ProcessExit) => {
      ended = exit;
      resolve(exit);
      for (const listener of listeners) listener();
    };
    child.once('error', (error) => {
      take(`${error.message}\n`);
      finish({ code: 127, signal: null });
    });
    child.once('close', (code, signal) => finish({ code, signal }));
    // What it has started may hold its output open for ever. In two steps: after one in which this process stood still
    // itself, what the other has printed has not been read yet.
    child.once('exit', (code, signal) => {
      const end = () => finish({ code, signal });
      setTimeout(() => setTimeout(end, 1_000).unref(), 4_000).unref();
    });
  });

  const managed: ManagedProcess = {
    pid: child.pid ?? -1,
    output: () => output,
    exit: () => ended,
    exited,
    waitForLine: (pattern, timeoutMs = LONGEST_WAIT) =>
      new Promise((resolve, reject) => {
        const settle = (act: () => void) => {
          clearTimeout(timer);
          listeners.delete(look);
          act();
        };
        const fail = (what: string) =>
          settle(() => reject(new Error(`${command} ${what} (waiting for ${pattern})\n${output}`)));
        const timer = setTimeout(() => fail(`printed no such line within ${timeoutMs} ms`), timeoutMs);
        const look = () => {
          const match = pattern.exec(output);
          if (match !== null) settle(() => resolve(match));
          else if (ended !== undefined) fail(`ended with ${ended.code ?? ended.signal}`);
        };
        listeners.add(look);
        look();
      }),
    end: async (signal, timeoutMs = LONGEST_WAIT) => {
      if (ended === undefined) child.kill(signal);
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        child.kill('SIGKILL');
      }, timeoutMs);
      const exit = await exited;
      clearTimeout(timer);
      if (late) throw new Error(`${command} did not end within ${timeoutMs} ms of ${signal}\n${output}`);
      return exit;
    },
    peakRssBytes: async () => {
      const status = await readFile(`/proc/${managed.pid}/status`, 'utf8');
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
    },
    cpuSeconds: async () => {
      const stat = await readFile(`/proc/${managed.pid}/stat`, 'utf8');
      // The command's name, in parentheses, may hold spaces. Field 14 is utime, 15 is stime.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    },
  };
  defer(scope, async () => {
    if (scope.passed === false) console.error(`--- ${command} ${args.join(' ')}:\n${output.slice(-4000)}---`);
    await managed.end(endSignal);
  });
  return managed;
}
