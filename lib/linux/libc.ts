import koffi from 'koffi';

/** C library calls that Node lacks. Each returns -1 on failure and sets `errno()`. */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  connect(fd: number, address: Uint8Array, length: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  listen(fd: number, backlog: number): number;
  /** Both pointers are null: the peer's address is not needed. */
  accept4(fd: number, address: null, length: null, flags: number): number;
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  /** setsockopt(2). */
  setOption(socket: number, level: number, option: number, value: Uint8Array): number;
  recv(fd: number, buffer: Uint8Array, length: number, flags: number): number;
  send(fd: number, buffer: Uint8Array, length: number, flags: number): number;
  shutdown(fd: number, how: number): number;
  close(fd: number): number;
  /** Duplicates a descriptor (close-on-exec); the copy stays open when the original is closed. */
  duplicate(fd: number): number;
  /** Returns a non-blocking eventfd with the count 0. */
  eventfd(): number;
  /** Makes the eventfd readable for poll(2). */
  wake(eventfd: number): void;
  /** Resets the eventfd after `wake`. */
  drain(eventfd: number): void;
  /** `fds` holds `count` structs pollfd of 8 bytes; `timeout` in milliseconds, -1 for none. */
  poll(fds: Uint8Array, count: number, timeout: number): number;
  openat2(directory: number, path: string, how: Uint8Array, size: number): number;
  /** The same in the thread pool, for file systems that may hang. */
  openat2Later(
    directory: number,
    path: string,
    how: Uint8Array,
    size: number,
  ): Promise<{ readonly fd: number; readonly errno: number }>;
  pidfdOpen(pid: number, flags: number): number;
  pidfdSendSignal(pidfd: number, signal: number): number;
  /** Sends up to `count` bytes of `file` from `offset[0]`, and advances `offset[0]` by the bytes sent. */
  sendfile(socket: number, file: number, offset: BigInt64Array, count: number): number;
  /** Opens a non-blocking pipe of about `capacity` bytes, if the system allows that; undefined on failure. */
  pipe(capacity: number): Pipe | undefined;
  /** Moves up to `count` bytes between two descriptors, one of which is a pipe, without blocking on the pipe. */
  splice(from: number, to: number, count: number): number;
  /** Makes a listening TCP socket ignore new connections; established ones stay. */
  dropConnecting(listener: number): number;
  /** Starts writing dirty pages of a file to its device, without waiting. */
  beginWriteback(file: number, offset: number, length: number): number;
  errno(): number;
}

/** The descriptors of a pipe's ends. */
export interface Pipe {
  readonly output: number;
  readonly input: number;
}

// The tables of system calls agree on numbers of calls this recent, on every architecture.
const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_PIDFD_OPEN = 434;
const SYS_OPENAT2 = 437;

const F_DUPFD_CLOEXEC = 1030;

const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const F_SETPIPE_SZ = 1031;
const SPLICE_F_MOVE = 1;
const SPLICE_F_NONBLOCK = 2;
const SYNC_FILE_RANGE_WRITE = 2;
const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;

/**
 * A BPF program of struct sock_filter { u16 code; u8 jt, jf; u32 k } (little-endian) over a TCP segment: it drops segments with the flag SYN, in byte 13, and accepts all others.
 * 82> skip the next one unless SYN (bit 2) is set
 * 83> drop
 * 84> accept
 */
const DROP_SYN = Buffer.from(
  [
    '30000000' + '0d000000', // load byte 13
    '45000001' + '02000000', // unless it has bit 2, leave the next out
    '06000000' + '00000000', // keep nothing
    '06000000' + 'ffffffff', // keep all
  ].join(''),
  'hex',
);

/** Loads the C library for this thread (Linux). Each thread needs its own. */
export function loadLibc(): Libc {
  const library = koffi.load(null);
  const fcntl = library.func('int fcntl(int fd, int command, int argument)');
  const eventfd = library.func('int eventfd(unsigned int initial, int flags)');
  const read = library.func('long read(int fd, _Out_ uint8_t *buffer, size_t length)');
  const write = library.func('long write(int fd, const uint8_t *buffer, size_t length)');
  const syncFileRange = library.func(
    'int sync_file_range(int fd, int64_t offset, int64_t length, unsigned int flags)',
  );
  const setsockopt = library.func(
    'int setsockopt(int socket, int level, int option, const uint8_t *value, unsigned int length)',
  );
  const socketProgram = koffi.struct({ length: 'uint16_t', filter: 'const uint8_t *' });
  const attach = library.func('setsockopt', 'int', [
    'int',
    'int',
    'int',
    koffi.pointer(socketProgram),
    'unsigned int',
  ]);
  const pipe2 = library.func('int pipe2(_Out_ int *ends, int flags)');
  const splice = library.func(
    'long splice(int from, int64_t *at, int to, int64_t *place, size_t count, unsigned int flags)',
  );
  const one = new Uint8Array(new BigUint64Array([1n]).buffer);
  const sendfile = library.func('long sendfile(int socket, int file, _Inout_ int64_t *offset, size_t count)');
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
    setOption: (socket, level, option, value) => setsockopt(socket, level, option, value, value.length),
    recv: library.func('long recv(int fd, uint8_t *buffer, size_t length, int flags)'),
    send: library.func('long send(int fd, const uint8_t *buffer, size_t length, int flags)'),
    shutdown: library.func('int shutdown(int fd, int how)'),
    close: library.func('int close(int fd)'),
    duplicate: (fd) => fcntl(fd, F_DUPFD_CLOEXEC, 0),
    eventfd: () => eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
    wake: (fd) => write(fd, one, one.length),
    drain: (fd) => read(fd, new Uint8Array(8), 8),
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
    sendfile: (socket, file, offset, count) => Number(sendfile(socket, file, offset, count)),
    pipe: (capacity) => {
      const ends = new Int32Array(2);
      if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0) return undefined;
      const [output = -1, input = -1] = ends;
      fcntl(input, F_SETPIPE_SZ, capacity);
      return { output, input };
    },
    splice: (from, to, count) =>
      Number(splice(from, null, to, null, count, SPLICE_F_MOVE | SPLICE_F_NONBLOCK)),
    dropConnecting: (listener) =>
      attach(
        listener,
        SOL_SOCKET,
        SO_ATTACH_FILTER,
        { length: DROP_SYN.length / 8, filter: DROP_SYN },
        koffi.sizeof(socketProgram),
      ),
    beginWriteback: (file, offset, length) => syncFileRange(file, offset, length, SYNC_FILE_RANGE_WRITE),
    errno: () => koffi.errno(),
  };
}
