import koffi from 'koffi';

/** posix_spawn(3) and its helpers. Each call returns 0 or an error number, as in the manual. */
export interface SpawnLibrary {
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

/** Binds the calls once, at the first use. */
export function spawnLibrary(): SpawnLibrary {
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
