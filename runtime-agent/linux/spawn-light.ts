import { closeSync, constants } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import { type SpawnLibrary, spawnLibrary } from './spawn-library.ts';

/** How a program is started; its stdin and stdout are /dev/null. */
export interface LightOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Give the program the writing end of a second pipe, as descriptor 3. */
  readonly report?: boolean;
}

/** A program that has been started. */
export interface LightProcess {
  readonly pid: number;
  readonly stderr: Readable;
  /** What comes through descriptor 3. */
  readonly report: Readable | undefined;
  /** The exit code, or 128 and the number of the signal. Settles soon after stderr was closed. */
  readonly exit: Promise<number>;
}

// More than the C library's types need on any machine.
const STRUCT_SIZE = 1024;
const SETSIGDEF = 0x04;
const SETSIGMASK = 0x08;
const WNOHANG = 1;
const CLOSE_ON_EXEC = 0o2000000;

/**
 * Starts a program by posix_spawn(3). Node's own spawn copies the page tables of the whole agent, about 4 ms for each
 * 100 MB, and blocks the event loop meanwhile; this takes 0.1 ms. Needs glibc 2.34 (Debian 12). `path` is absolute. The program must keep its stderr
 * for as long as it runs. Throws an Error with `code` ENOENT, EACCES … when it cannot be started.
 */
export function spawnLight(path: string, args: readonly string[], options: LightOptions): LightProcess {
  const library = spawnLibrary();
  const stderr = openPipe(library);
  const report = options.report === true ? openPipe(library) : undefined;
  const written = [stderr, ...(report === undefined ? [] : [report])];
  let pid: number;
  try {
    pid = start(library, path, args, options, stderr.writer, report?.writer);
  } catch (error) {
    for (const pipe of written) closeSync(pipe.reader);
    throw error;
  } finally {
    for (const pipe of written) closeSync(pipe.writer);
  }
  const errors = readable(stderr.reader);
  const closed = new Promise<void>((resolve) => errors.once('close', () => resolve()));
  return {
    pid,
    stderr: errors,
    report: report === undefined ? undefined : readable(report.reader),
    exit: closed.then(() => waitForExit(library, pid)),
  };
}

function start(
  library: SpawnLibrary,
  path: string,
  args: readonly string[],
  options: LightOptions,
  stderr: number,
  report: number | undefined,
): number {
  const actions = new Uint8Array(STRUCT_SIZE);
  const attributes = new Uint8Array(STRUCT_SIZE);
  library.actionsInit(actions);
  library.attributesInit(attributes);
  try {
    library.actionsOpen(actions, 0, '/dev/null', constants.O_RDONLY, 0);
    library.actionsOpen(actions, 1, '/dev/null', constants.O_WRONLY, 0);
    library.actionsDup2(actions, stderr, 2);
    if (report !== undefined) library.actionsDup2(actions, report, 3);
    // What this process itself was started with may be open in it.
    library.actionsCloseFrom(actions, report === undefined ? 3 : 4);
    if (options.cwd !== undefined) library.actionsChdir(actions, options.cwd);
    // Node ignores some signals and blocks others at times; what is started must not inherit that.
    const all = new Uint8Array(STRUCT_SIZE);
    library.fillSignals(all);
    library.attributesDefault(attributes, all);
    library.attributesMask(attributes, new Uint8Array(STRUCT_SIZE));
    library.attributesFlags(attributes, SETSIGDEF | SETSIGMASK);
    const env = Object.entries(options.env).map(([name, value]) => `${name}=${value}`);
    const pid: [number] = [0];
    const errno = library.spawn(pid, path, actions, attributes, [path, ...args, null], [...env, null]);
    if (errno !== 0) {
      throw Object.assign(new Error(`${path} cannot be started: ${getSystemErrorMessage(-errno)}`), {
        code: getSystemErrorName(-errno),
      });
    }
    return pid[0];
  } finally {
    library.actionsDestroy(actions);
    library.attributesDestroy(attributes);
  }
}

function openPipe(library: SpawnLibrary): { readonly reader: number; readonly writer: number } {
  const fds = new Int32Array(2);
  if (library.pipe2(new Uint8Array(fds.buffer), CLOSE_ON_EXEC) !== 0) {
    const errno = library.errno();
    throw new Error(`a pipe cannot be made: ${getSystemErrorMessage(-errno)}`);
  }
  const [reader = -1, writer = -1] = fds;
  return { reader, writer };
}

function readable(fd: number): Readable {
  const socket = new Socket({ fd, readable: true, writable: false });
  // A pipe whose other end is gone just ends.
  socket.on('error', () => socket.destroy());
  return socket;
}

/** libuv waits only for processes that it started itself, so this one stays until it is fetched here. */
async function waitForExit(library: SpawnLibrary, pid: number): Promise<number> {
  for (;;) {
    const status: [number] = [0];
    const found = library.waitpid(pid, status, WNOHANG);
    if (found === pid) return exitCode(status[0]);
    if (found < 0) throw new Error(`waiting for process ${pid} failed with error number ${library.errno()}`);
    // Its stderr is closed: it is at the last steps of its end.
    await sleep(1);
  }
}

/** wait(2): the low 7 bits are the signal, 0 where it exited. */
function exitCode(status: number): number {
  const signal = status & 0x7f;
  return signal === 0 ? (status >> 8) & 0xff : 128 + signal;
}
