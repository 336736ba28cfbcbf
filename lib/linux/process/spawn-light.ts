import { closeSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { openPipe, posixSpawn, readPipe, waitForExit } from './posix-spawn.ts';

/** Options of a program whose stdin and stdout are /dev/null. */
export interface LightOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** See SpawnOptions. */
  readonly name?: string;
  /** Passes the write end of a second pipe as descriptor 3. */
  readonly report?: boolean;
}

/** A running program. */
export interface LightProcess {
  readonly pid: number;
  readonly stderr: Readable;
  /** Output on descriptor 3. */
  readonly report: Readable | undefined;
  /** The exit code, or 128 plus the number of the signal. Settles soon after stderr is closed. */
  readonly exit: Promise<number>;
}

/**
 * Starts a program as posixSpawn does. The program must keep its stderr open while it runs. Throws an Error with `code`
 * ENOENT, EACCES … when it cannot be started.
 */
export function spawnLight(path: string, args: readonly string[], options: LightOptions): LightProcess {
  const stderr = openPipe();
  const report = options.report === true ? openPipe() : undefined;
  const written = [stderr, ...(report === undefined ? [] : [report])];
  const { env, cwd, name } = options;
  let pid: number;
  try {
    pid = posixSpawn(path, args, {
      env,
      ...(cwd === undefined ? {} : { cwd }),
      ...(name === undefined ? {} : { name }),
      descriptors: ['null', 'null', ...written.map(({ writer }) => writer)],
    });
  } catch (error) {
    for (const pipe of written) closeSync(pipe.reader);
    throw error;
  } finally {
    for (const pipe of written) closeSync(pipe.writer);
  }
  const errors = readPipe(stderr.reader);
  const closed = new Promise<void>((resolve) => errors.once('close', () => resolve()));
  return {
    pid,
    stderr: errors,
    report: report === undefined ? undefined : readPipe(report.reader),
    exit: closed.then(() => waitForExit(pid)),
  };
}
