import { closeSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { openPipe, posixSpawn, readPipe, waitForExit, writePipe } from './posix-spawn.ts';

/** The streams of a program that are piped to this process; the others are /dev/null. */
export interface PipedOptions {
  readonly env: Readonly<Record<string, string>>;
  /** See SpawnOptions. */
  readonly name?: string;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Replaces all three: a terminal of this process, which the caller closes. */
  readonly terminal?: number;
  /** Content of descriptor 4, a pipe. */
  readonly input: string;
  /** Called with the pid before descriptor 4 has any content: a program that reads it waits until this has returned. */
  readonly beforeInput?: (pid: number) => void;
}

/** A running program. */
export interface PipedProcess {
  readonly pid: number;
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  /**
   * Everything written to descriptor 3. Settles when the program has ended, even while other processes hold its
   * streams.
   */
  readonly report: Promise<string>;
  /** The exit code, or 128 plus the number of the signal. */
  readonly exit: Promise<number>;
}

/**
 * Starts a program as posixSpawn does, in a new session, with a pipe for each stream. The program must keep its
 * descriptor 3 open while it runs, and pass it to no other program. Throws an Error with `code` when it cannot be
 * started.
 */
export function spawnPiped(path: string, args: readonly string[], options: PipedOptions): PipedProcess {
  const ours: number[] = [];
  const theirs: number[] = [];
  const pipe = (direction: 'in' | 'out') => {
    const { reader, writer } = openPipe();
    ours.push(direction === 'in' ? writer : reader);
    theirs.push(direction === 'in' ? reader : writer);
    return direction === 'in' ? { ours: writer, theirs: reader } : { ours: reader, theirs: writer };
  };
  try {
    const stdin = options.stdin ? pipe('in') : undefined;
    const stdout = options.stdout ? pipe('out') : undefined;
    const stderr = options.stderr ? pipe('out') : undefined;
    const report = pipe('out');
    const input = pipe('in');
    const pid = posixSpawn(path, args, {
      env: options.env,
      ...(options.name === undefined ? {} : { name: options.name }),
      session: true,
      descriptors: [
        options.terminal ?? stdin?.theirs ?? 'null',
        options.terminal ?? stdout?.theirs ?? 'null',
        options.terminal ?? stderr?.theirs ?? 'null',
        report.theirs,
        input.theirs,
      ],
    });
    options.beforeInput?.(pid);
    writePipe(input.ours).end(options.input);
    const reports = readPipe(report.ours);
    // A pending report does not keep this process alive.
    reports.unref();
    const reported = text(reports);
    return {
      pid,
      stdin: stdin && writePipe(stdin.ours),
      stdout: stdout && readPipe(stdout.ours),
      stderr: stderr && readPipe(stderr.ours),
      report: reported,
      exit: reported.then(() => waitForExit(pid)),
    };
  } catch (error) {
    for (const fd of ours) closeSync(fd);
    throw error;
  } finally {
    for (const fd of theirs) closeSync(fd);
  }
}
