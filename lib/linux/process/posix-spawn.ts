import { closeSync, constants } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import koffi from 'koffi';

/** posix_spawn(3) and its helpers. Each call returns 0 or an error number, as in the manual. */
interface SpawnLibrary {
  spawn(
    pid: [number],
    path: string,
    actions: Uint8Array,
    attributes: Uint8Array,
    argv: readonly (string | null)[],
    envp: readonly (string | null)[],
  ): number;
  actionsInit(actions: Uint8Array): number;
  actionsDestroy(actions: Uint8Array): number;
  actionsDup2(actions: Uint8Array, from: number, to: number): number;
  actionsOpen(actions: Uint8Array, fd: number, path: string, flags: number, mode: number): number;
  actionsChdir(actions: Uint8Array, path: string): number;
  actionsCloseFrom(actions: Uint8Array, fd: number): number;
  attributesInit(attributes: Uint8Array): number;
  attributesDestroy(attributes: Uint8Array): number;
  attributesFlags(attributes: Uint8Array, flags: number): number;
  attributesDefault(attributes: Uint8Array, signals: Uint8Array): number;
  attributesMask(attributes: Uint8Array, signals: Uint8Array): number;
  fillSignals(signals: Uint8Array): number;
  pipe2(fds: Uint8Array, flags: number): number;
  fcntl(fd: number, command: number, argument: number): number;
  waitpid(pid: number, status: [number], options: number): number;
  errno(): number;
}

let library: SpawnLibrary | undefined;

/** Loads the library at the first use. */
function spawnLibrary(): SpawnLibrary {
  library ??= bind();
  return library;
}

function bind(): SpawnLibrary {
  const c = koffi.load(null);
  const prefix = 'posix_spawn_file_actions';
  const fcntl = c.func('int fcntl(int fd, int command, ...)');
  return {
    spawn: c.func(
      'int posix_spawn(_Out_ int *pid, const char *path, void *actions, void *attributes, const char **argv, const char **envp)',
    ),
    actionsInit: c.func(`int ${prefix}_init(void *actions)`),
    actionsDestroy: c.func(`int ${prefix}_destroy(void *actions)`),
    actionsDup2: c.func(`int ${prefix}_adddup2(void *actions, int from, int to)`),
    actionsOpen: c.func(
      `int ${prefix}_addopen(void *actions, int fd, const char *path, int flags, uint mode)`,
    ),
    actionsChdir: c.func(`int ${prefix}_addchdir_np(void *actions, const char *path)`),
    actionsCloseFrom: c.func(`int ${prefix}_addclosefrom_np(void *actions, int fd)`),
    attributesInit: c.func('int posix_spawnattr_init(void *attributes)'),
    attributesDestroy: c.func('int posix_spawnattr_destroy(void *attributes)'),
    attributesFlags: c.func('int posix_spawnattr_setflags(void *attributes, short flags)'),
    attributesDefault: c.func('int posix_spawnattr_setsigdefault(void *attributes, const void *signals)'),
    attributesMask: c.func('int posix_spawnattr_setsigmask(void *attributes, const void *signals)'),
    fillSignals: c.func('int sigfillset(void *signals)'),
    pipe2: c.func('int pipe2(void *fds, int flags)'),
    fcntl: (fd, command, argument) => fcntl(fd, command, 'int', argument),
    waitpid: c.func('int waitpid(int pid, _Out_ int *status, int options)'),
    errno: () => koffi.errno(),
  };
}

/** Options of a program. */
export interface SpawnOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** argv[0]; default: the path. */
  readonly name?: string;
  /** Starts a new session: signals of the agent's terminal do not reach the program. */
  readonly session?: boolean;
  /** Descriptors 0, 1, 2 … of the program: /dev/null, or a descriptor of this process. All others are closed in it. */
  readonly descriptors: readonly ('null' | number)[];
}

// Larger than the C library's types on any machine.
const STRUCT_SIZE = 1024;
const SETSIGDEF = 0x04;
const SETSIGMASK = 0x08;
const SETSID = 0x80;
const WNOHANG = 1;
const CLOSE_ON_EXEC = 0o2000000;
const F_SETPIPE_SZ = 1031;
/** Bytes: the default of /proc/sys/fs/pipe-max-size. */
const WIDE_PIPE = 1 << 20;
/** Turns of the event loop. */
const SOON = 20;

/**
 * Starts a program by posix_spawn(3) and returns its pid, which the caller passes to waitForExit. Node's own spawn
 * copies the page tables of the whole agent, about 4 ms per 100 MB, and blocks the event loop meanwhile; this takes 0.1
 * ms. Needs glibc 2.34 (Debian 12). `path` is absolute. Throws an Error with `code` ENOENT, EACCES … when the program
 * cannot be started.
 */
export function posixSpawn(path: string, args: readonly string[], options: SpawnOptions): number {
  const library = spawnLibrary();
  const actions = new Uint8Array(STRUCT_SIZE);
  const attributes = new Uint8Array(STRUCT_SIZE);
  library.actionsInit(actions);
  library.attributesInit(attributes);
  try {
    addActions(library, actions, options);
    // Node ignores some signals and blocks others at times; programs must not inherit that.
    const all = new Uint8Array(STRUCT_SIZE);
    library.fillSignals(all);
    library.attributesDefault(attributes, all);
    library.attributesMask(attributes, new Uint8Array(STRUCT_SIZE));
    library.attributesFlags(attributes, SETSIGDEF | SETSIGMASK | (options.session === true ? SETSID : 0));
    const env = Object.entries(options.env).map(([name, value]) => `${name}=${value}`);
    const pid: [number] = [0];
    const errno = library.spawn(
      pid,
      path,
      actions,
      attributes,
      [options.name ?? path, ...args, null],
      [...env, null],
    );
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

function addActions(library: SpawnLibrary, actions: Uint8Array, { cwd, descriptors }: SpawnOptions): void {
  for (const [target, source] of descriptors.entries()) {
    if (source === 'null') {
      const mode = target === 0 ? constants.O_RDONLY : constants.O_WRONLY;
      library.actionsOpen(actions, target, '/dev/null', mode, 0);
    } else library.actionsDup2(actions, source, target);
  }
  // Descriptors that this process inherited may be open.
  library.actionsCloseFrom(actions, descriptors.length);
  if (cwd !== undefined) library.actionsChdir(actions, cwd);
}

/** Opens a pipe whose ends the caller closes. They are close-on-exec. */
export function openPipe(): { readonly reader: number; readonly writer: number } {
  const library = spawnLibrary();
  const fds = new Int32Array(2);
  if (library.pipe2(new Uint8Array(fds.buffer), CLOSE_ON_EXEC) !== 0) {
    const errno = library.errno();
    throw Object.assign(new Error(`a pipe cannot be made: ${getSystemErrorMessage(-errno)}`), {
      code: getSystemErrorName(-errno),
    });
  }
  const [reader = -1, writer = -1] = fds;
  return { reader, writer };
}

/** Grows a pipe to the kernel's unprivileged maximum, or leaves it when that fails. */
function widenPipe(fd: number): void {
  spawnLibrary().fcntl(fd, F_SETPIPE_SZ, WIDE_PIPE);
}

/** Reads from a pipe. The stream closes the descriptor. */
export function readPipe(fd: number): Socket {
  const socket = new Socket({ fd, readable: true, writable: false });
  // A pipe whose other end is gone just ends.
  socket.on('error', () => socket.destroy());
  return socket;
}

/** Writes to a pipe. The stream closes the descriptor and drops unread output. */
export function writePipe(fd: number): Writable {
  const socket = new Socket({ fd, readable: false, writable: true });
  socket.on('error', () => socket.destroy());
  return socket;
}

/**
 * Waits for a process that is about to end, and returns its exit code, or 128 plus the number of its signal. libuv
 * waits only for processes that it started, so a process of posixSpawn stays a zombie until this reaps it.
 */
export async function waitForExit(pid: number): Promise<number> {
  const library = spawnLibrary();
  for (let attempt = 0; ; attempt += 1) {
    const status: [number] = [0];
    const found = library.waitpid(pid, status, WNOHANG);
    if (found === pid) return exitCode(status[0]);
    if (found < 0) throw new Error(`waiting for process ${pid} failed with error number ${library.errno()}`);
    // At first just yield: the kernel needs little time.
    await (attempt < SOON ? nextTurn() : sleep(1));
  }
}

/** wait(2): the low 7 bits are the signal, 0 where it exited. */
function exitCode(status: number): number {
  const signal = status & 0x7f;
  return signal === 0 ? (status >> 8) & 0xff : 128 + signal;
}

/** Options of a program with piped input. */
export interface FedOptions {
  readonly env: Readonly<Record<string, string>>;
  /** Descriptor of its stdout; the caller closes it. */
  readonly output: number;
}

/** A running program with piped input. */
export interface FedProcess {
  readonly stdin: Writable;
  readonly stderr: Readable;
  /** The exit code, or 128 plus the number of the signal. Settles soon after stderr is closed. */
  readonly exit: Promise<number>;
  /** Kills the program, unless it has ended. */
  kill(): void;
}

/**
 * Starts a program as posixSpawn does, with a large pipe as its stdin and a descriptor of the caller as its stdout. The
 * program must keep its stderr open while it runs. Throws an Error with `code` ENOENT, EACCES … when it cannot be
 * started.
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
      // The process may be reaped from here on, and its pid reused.
      ended = true;
      return waitForExit(pid);
    }),
    kill: () => {
      if (!ended) process.kill(pid, 'SIGKILL');
    },
  };
}
