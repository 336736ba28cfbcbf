import { spawn } from 'node:child_process';
import { LONGEST_WAIT } from './longest-wait.ts';

export interface CommandOptions {
  readonly cwd?: string;
  /** Set over the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Written to the command's standard input, which is otherwise empty. */
  readonly input?: string | Uint8Array;
  /** Milliseconds until the command is killed and the call fails; LONGEST_WAIT unless given. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** The exit code without which the call fails, 0 unless given; 'any' leaves the judgement to the caller. */
  readonly expectExit?: number | 'any';
}

export interface CommandResult {
  /** As a shell gives it: 128 and the signal's number when a signal ended the command. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command did not end as expected. The message holds the command line and the end of what it printed. */
export class CommandError extends Error {
  readonly result: CommandResult | undefined;
  constructor(commandLine: string, what: string, result?: CommandResult) {
    const printed = `${result?.stdout ?? ''}${result?.stderr ?? ''}`.trim();
    super(`${commandLine}: ${what}${printed === '' ? '' : `\n${printed.slice(-4000)}`}`);
    this.name = 'CommandError';
    this.result = result;
  }
}

const SIGNAL_NUMBER: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/**
 * Runs a command to its end and captures what it prints. The command, and what it started, is killed when the
 * time is up or `signal` aborts. Throws CommandError when it cannot be started, is killed, or exits otherwise than expected.
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const commandLine = [command, ...args].join(' ');
  const timeoutMs = options.timeoutMs ?? LONGEST_WAIT;
  options.signal?.throwIfAborted();
  // A process group of its own, so that the children of a shell or of podman end with it.
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  // A command may exit without reading its input.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');

  let killedBecause: string | undefined;
  const kill = (why: string) => {
    killedBecause ??= why;
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  };
  const timer = setTimeout(() => kill(`did not end within ${timeoutMs} ms and was killed`), timeoutMs);
  const onAbort = () => kill('was killed because its caller gave up');
  options.signal?.addEventListener('abort', onAbort);
  const onExit = () => kill('was killed because this process ended');
  process.once('exit', onExit);
  try {
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.once('error', (error) => {
        reject(new CommandError(commandLine, `cannot be started: ${error.message}`));
      });
      child.once('close', (code, signal) => resolve(code ?? 128 + (SIGNAL_NUMBER[signal ?? ''] ?? 0)));
    });
    const result = {
      exitCode,
      stdout: Buffer.concat(stdout).toString('utf8'),
      stderr: Buffer.concat(stderr).toString('utf8'),
    };
    if (killedBecause !== undefined) throw new CommandError(commandLine, killedBecause, result);
    const expected = options.expectExit ?? 0;
    if (expected !== 'any' && exitCode !== expected) {
      throw new CommandError(commandLine, `exit code ${exitCode}, expected ${expected}`, result);
    }
    return result;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
    process.off('exit', onExit);
  }
}
