import { closeSync, writeSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import koffi from 'koffi';
import { SystemCallError } from '../mount-library.ts';
import { openPipe, posixSpawn, readPipe, waitForExit, writePipe } from './posix-spawn.ts';

/** The streams of a program that this process has; the others are /dev/null. */
export interface PipedOptions {
  readonly env: Readonly<Record<string, string>>;
  /** See SpawnOptions. */
  readonly name?: string;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** In place of all three: a terminal of this process, which stays the caller's. */
  readonly terminal?: number;
  /** Content of descriptor 4, a file. */
  readonly input: string;
}

/** A program that has been started. */
export interface PipedProcess {
  readonly pid: number;
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  /** All that it wrote into descriptor 3; settles when it has ended, also while others hold its streams. */
  readonly report: Promise<string>;
  /** The exit code, or 128 and the number of the signal. */
  readonly exit: Promise<number>;
}

/**
 * Starts a program as posixSpawn does, in a session of its own, with a pipe for each stream. The program must keep its
 * descriptor 3 for as long as it runs, and give it to nobody. Throws an Error with `code` when it cannot be started.
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
    const input = openMemoryFile('input');
    theirs.push(input);
    writeSync(input, options.input);
    const pid = posixSpawn(path, args, {
      env: options.env,
      ...(options.name === undefined ? {} : { name: options.name }),
      session: true,
      descriptors: [
        options.terminal ?? stdin?.theirs ?? 'null',
        options.terminal ?? stdout?.theirs ?? 'null',
        options.terminal ?? stderr?.theirs ?? 'null',
        report.theirs,
        input,
      ],
    });
    const reports = readPipe(report.ours);
    // Who has nothing else to do need not wait for the end.
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

const CLOSE_ON_EXEC = 1;

let create: ((name: string, flags: number) => number) | undefined;

/**
 * A file that has no name in any file system and goes with its last descriptor (memfd_create(2)). The caller closes the one
 * that is answered. `name` is for /proc only.
 */
function openMemoryFile(name: string): number {
  create ??= koffi.load(null).func('int memfd_create(const char *name, unsigned int flags)');
  const fd = create(name, CLOSE_ON_EXEC);
  if (fd < 0) throw new SystemCallError('a file in memory cannot be made', koffi.errno());
  return fd;
}
