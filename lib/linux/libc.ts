import koffi from 'koffi';

/** The C library calls that Node lacks. Each answers -1 on failure and leaves the reason in `errno()`. */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  connect(fd: number, address: Uint8Array, length: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  listen(fd: number, backlog: number): number;
  /** The address of who connects is not asked for: both pointers are null. */
  accept4(fd: number, address: null, length: null, flags: number): number;
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  recv(fd: number, buffer: Uint8Array, length: number, flags: number): number;
  send(fd: number, buffer: Uint8Array, length: number, flags: number): number;
  shutdown(fd: number, how: number): number;
  close(fd: number): number;
  /** A further descriptor of the same open file, which programs that are started do not get. */
  duplicate(fd: number): number;
  eventfd(initial: number, flags: number): number;
  /** `fds` holds `count` structs pollfd of 8 bytes; `timeout` in milliseconds, -1 for ever. */
  poll(fds: Uint8Array, count: number, timeout: number): number;
  openat2(directory: number, path: string, how: Uint8Array, size: number): number;
  /** The same in a thread of the pool, for what may lie on a file system that does not answer. */
  openat2Later(
    directory: number,
    path: string,
    how: Uint8Array,
    size: number,
  ): Promise<{ readonly fd: number; readonly errno: number }>;
  pidfdOpen(pid: number, flags: number): number;
  pidfdSendSignal(pidfd: number, signal: number): number;
  errno(): number;
}

// The three syscalls are younger than the tables that differ between machines: same numbers everywhere.
const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_PIDFD_OPEN = 434;
const SYS_OPENAT2 = 437;

const F_DUPFD_CLOEXEC = 1030;

/** Binds the C library of this process. Each thread binds its own. */
export function loadLibc(): Libc {
  const library = koffi.load(null);
  const fcntl = library.func('int fcntl(int fd, int command, int argument)');
  const openat2 = library.func('long syscall(long number, int dirfd, str path, void *how, size_t size)');
  const pidfdOpen = library.func('syscall', 'long', ['long', 'int', 'uint']);
  const pidfdSendSignal = library.func('syscall', 'long', ['long', 'int', 'int', 'void *', 'uint']);
  return {
    socket: library.func('int socket(int domain, int type, int protocol)'),
    connect: library.func('int connect(int fd, const uint8_t *address, uint32_t length)'),
    bind: library.func('int bind(int fd, const uint8_t *address, uint32_t length)'),
    listen: library.func('int listen(int fd, int backlog)'),
    accept4: library.func('int accept4(int fd, void *address, void *length, int flags)'),
    ioctl: library.func('int ioctl(int fd, unsigned long request, _Inout_ uint8_t *argument)'),
    setsockopt: library.func(
      'int setsockopt(int fd, int level, int name, const uint8_t *value, uint32_t length)',
    ),
    recv: library.func('long recv(int fd, uint8_t *buffer, size_t length, int flags)'),
    send: library.func('long send(int fd, const uint8_t *buffer, size_t length, int flags)'),
    shutdown: library.func('int shutdown(int fd, int how)'),
    close: library.func('int close(int fd)'),
    duplicate: (fd) => fcntl(fd, F_DUPFD_CLOEXEC, 0),
    eventfd: library.func('int eventfd(unsigned int initial, int flags)'),
    poll: library.func('int poll(uint8_t *fds, unsigned long count, int timeout)'),
    openat2: (directory, path, how, size) => Number(openat2(SYS_OPENAT2, directory, path, how, size)),
    openat2Later: (directory, path, how, size) =>
      new Promise((resolve, reject) => {
        const done = (error: Error | null, fd: number | bigint) => {
          if (error === null) resolve({ fd: Number(fd), errno: koffi.errno() });
          else reject(error);
        };
        openat2.async(SYS_OPENAT2, directory, path, how, size, done);
      }),
    pidfdOpen: (pid, flags) => Number(pidfdOpen(SYS_PIDFD_OPEN, pid, flags)),
    pidfdSendSignal: (pidfd, signal) =>
      Number(pidfdSendSignal(SYS_PIDFD_SEND_SIGNAL, pidfd, signal, null, 0)),
    errno: () => koffi.errno(),
  };
}
