import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** One of the two programs as a child process. */
export interface Program {
  readonly name: string;
  /** Its output on stdout up to and including its ready line. */
  readonly greeting: readonly string[];
  /** The URL after `is ready: `. */
  readonly address: string;
  /** Settles when the process has ended, with its exit code (128 + the signal's number when killed). */
  readonly ended: Promise<number>;
  /** Asks it to drain and stop, only once: a second signal would interrupt the drain. */
  stop(): void;
}

/**
 * Starts `node MAIN ARGS` and waits for its ready line. The process leads its own group, so that Ctrl-C in the terminal
 * reaches it only through `stop`, and it drains. Throws an Error with its exit code when it ends before it is ready;
 * its own message is on stderr by then.
 */
export async function startProgram(name: string, main: string, args: readonly string[]): Promise<Program> {
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const ended = exitOf(child);
  const greeting: string[] = [];
  const ready = `${name} is ready: `;
  const address = await new Promise<string>((resolve, reject) => {
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => {
      greeting.push(line);
      if (line.startsWith(ready)) resolve(line.slice(ready.length).split(' ', 1)[0] ?? '');
    });
    ended.then(
      (code) => reject(new ProgramEndedError(`${name} ended before it was ready`, code, greeting)),
      reject,
    );
  });
  let asked = false;
  const stop = () => {
    if (!asked) child.kill('SIGTERM');
    asked = true;
  };
  return { name, greeting, address, ended, stop };
}

export class ProgramEndedError extends Error {
  readonly exitCode: number;
  readonly output: readonly string[];
  constructor(message: string, exitCode: number, output: readonly string[]) {
    super(message);
    this.name = 'ProgramEndedError';
    this.exitCode = exitCode;
    this.output = output;
  }
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGKILL' ? 137 : 143)));
  });
}
