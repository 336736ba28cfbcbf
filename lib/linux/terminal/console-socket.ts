import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import koffi from 'koffi';
import { ERRNO } from '../errno.ts';
import type { Libc } from '../libc.ts';
import { SystemCallError } from '../mount-library.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const NONBLOCK_CLOEXEC = 0o2004000;
/** Size of sockaddr_un, bytes. */
const ADDRESS_SIZE = 110;
/** Poll interval in milliseconds: a runtime takes a few. */
const PAUSE = 1;

/**
 * The socket through which an OCI runtime passes the master of a terminal (runtime-spec, `--console-socket`). The path
 * of its folder may have any length.
 */
export class ConsoleSocket {
  /** The value for --console-socket; usable by processes of the same user while this socket is open. */
  readonly path: string;
  readonly #libc: Libc;
  readonly #file: string;
  readonly #folder: number;
  readonly #fd: number;

  /** Listens at `name` in `folder`. Throws SystemCallError. */
  constructor(libc: Libc, folder: string, name: string) {
    this.#libc = libc;
    this.#file = join(folder, name);
    this.#folder = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    this.path = `/proc/${process.pid}/fd/${this.#folder}/${name}`;
    this.#fd = libc.socket(AF_UNIX, SOCK_STREAM | NONBLOCK_CLOEXEC, 0);
    const address = Buffer.alloc(ADDRESS_SIZE);
    new Uint16Array(address.buffer, address.byteOffset, 1)[0] = AF_UNIX;
    address.write(this.path, 2, 'utf8');
    if (
      this.#fd < 0 ||
      libc.bind(this.#fd, address, address.length) !== 0 ||
      libc.listen(this.#fd, 1) !== 0
    ) {
      const errno = libc.errno();
      this.close();
      throw new SystemCallError('a console socket cannot be made', errno);
    }
  }

  /**
   * Receives the descriptor of the terminal's master, which the caller closes; undefined when `ended` settles first.
   */
  async receive(ended: Promise<unknown>): Promise<number | undefined> {
    let isOver = false;
    const over = () => {
      isOver = true;
    };
    ended.then(over, over);
    const connection = await this.#until(
      () => isOver,
      () => this.#libc.accept4(this.#fd, null, null, NONBLOCK_CLOEXEC),
    );
    if (connection === undefined) return undefined;
    try {
      return await this.#until(
        () => isOver,
        () => receiveDescriptor(connection),
      );
    } finally {
      this.#libc.close(connection);
    }
  }

  close(): void {
    if (this.#fd >= 0) this.#libc.close(this.#fd);
    closeSync(this.#folder);
    rmSync(this.#file, { force: true });
  }

  /** Polls until there is a descriptor; polls once more after the runtime has ended. */
  async #until(isOver: () => boolean, call: () => number): Promise<number | undefined> {
    for (;;) {
      const last = isOver();
      const fd = call();
      if (fd >= 0) return fd;
      const errno = this.#libc.errno();
      if (errno !== ERRNO.EAGAIN && errno !== ERRNO.EINTR) {
        throw new SystemCallError('the runtime passed no terminal', errno);
      }
      if (last) return undefined;
      await sleep(PAUSE);
    }
  }
}

/** Size of a cmsghdr with one descriptor, and of its header alone, on 64-bit machines (cmsg(3)). */
const CONTROL_SIZE = 24;
const HEADER_SIZE = 16;
/** The runtime also sends the terminal's path. */
const DATA_SIZE = 4096;
const MSG_CMSG_CLOEXEC = 0x40000000;

type Receive = (fd: number, message: object, flags: number) => number;

let receive: Receive | undefined;

/**
 * Receives one descriptor (SCM_RIGHTS, unix(7)), which the caller closes. Returns -1 and sets errno when none is
 * available yet. Throws when the connection has ended, or a message has no descriptor.
 */
function receiveDescriptor(socket: number): number {
  receive ??= bind();
  const data = new Uint8Array(DATA_SIZE);
  const control = Buffer.alloc(CONTROL_SIZE);
  const message = {
    name: null,
    nameLength: 0,
    parts: { base: data, length: DATA_SIZE },
    count: 1,
    control,
    controlLength: CONTROL_SIZE,
    flags: 0,
  };
  const length = Number(receive(socket, message, MSG_CMSG_CLOEXEC));
  if (length < 0) return -1;
  if (message.controlLength < CONTROL_SIZE) {
    throw new Error('the OCI runtime closed its console socket without passing a terminal');
  }
  return control.readInt32LE(HEADER_SIZE);
}

function bind(): Receive {
  const part = koffi.struct({ base: 'void *', length: 'size_t' });
  const header = koffi.struct({
    name: 'void *',
    nameLength: 'uint32_t',
    parts: koffi.pointer(part),
    count: 'size_t',
    control: 'void *',
    controlLength: 'size_t',
    flags: 'int',
  });
  return koffi
    .load(null)
    .func('recvmsg', 'long', ['int', koffi.inout(koffi.pointer(header)), 'int']) as Receive;
}
