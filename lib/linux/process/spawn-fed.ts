import { closeSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { openPipe, posixSpawn, readPipe, waitForExit, widenPipe, writePipe } from './posix-spawn.ts';

/** How a program is started that this process feeds. */
export interface FedOptions {
  readonly env: Readonly<Record<string, string>>;
  /** Descriptor for its stdout; the caller closes it. */
  readonly output: number;
}

/** A program that has been started. */
export interface FedProcess {
  readonly stdin: Writable;
  readonly stderr: Readable;
  /** The exit code, or 128 and the number of the signal. Settles soon after stderr was closed. */
  readonly exit: Promise<number>;
  /** Ends it at once, unless it has ended. */
  kill(): void;
}

/**
 * Starts a program as posixSpawn does, which reads from a wide pipe and writes into a descriptor of the caller. The program
 * must keep its stderr for as long as it runs. Throws an Error with `code` ENOENT, EACCES … when it cannot be started.
 */
export function spawnFed(path: string, args: readonly string[], options: FedOptions): FedProcess {
  const stdin = openPipe();
  const stderr = openPipe();
  let pid: number;
  try {
    widenPipe(stdin.writer);
    const descriptors = [stdin.reader, options.output, stderr.writer];
    pid = posixSpawn(path, args, { env: options.env, cwd: '/', session: true, descriptors });
  } catch (error) {
    closeSync(stdin.writer);
    closeSync(stderr.reader);
    throw error;
  } finally {
    closeSync(stdin.reader);
    closeSync(stderr.writer);
  }
  const errors = readPipe(stderr.reader);
  let ended = false;
  const closed = new Promise<void>((resolve) => errors.once('close', () => resolve()));
  return {
    stdin: writePipe(stdin.writer),
    stderr: errors,
    exit: closed.then(() => {
      // From here on the pid may be fetched, and be another's.
      ended = true;
      return waitForExit(pid);
    }),
    kill: () => {
      if (!ended) process.kill(pid, 'SIGKILL');
    },
  };
}
