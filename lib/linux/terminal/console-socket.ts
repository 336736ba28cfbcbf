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
/** Bytes of sockaddr_un. */
const ADDRESS_SIZE = 110;
/** Between two looks, in milliseconds: a runtime takes a few. */
const PAUSE = 1;

/**
 * The socket over which an OCI runtime hands a terminal's master over (runtime-spec, `--console-socket`). Its folder may have
 * a path of any length.
 */
export class ConsoleSocket {
  /** What the runtime is told; of use to processes of the same user only, and as long as this one is open. */
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

  /** The descriptor of the terminal's master, which the caller closes; undefined when `ended` settles and none has come. */
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

  /** Calls until there is a descriptor; looks once more when it is over. */
  async #until(isOver: () => boolean, call: () => number): Promise<number | undefined> {
    for (;;) {
      const last = isOver();
      const fd = call();
      if (fd >= 0) return fd;
      const errno = this.#libc.errno();
      if (errno !== ERRNO.EAGAIN && errno !== ERRNO.EINTR) {
        throw new SystemCallError('the runtime handed no terminal over', errno);
      }
      if (last) return undefined;
      await sleep(PAUSE);
    }
  }
}

/** Of a cmsghdr with one descriptor, and of its header alone, on 64-bit machines (cmsg(3)). */
const CONTROL_SIZE = 24;
const HEADER_SIZE = 16;
/** The runtime sends the terminal's path along. */
const DATA_SIZE = 4096;
const MSG_CMSG_CLOEXEC = 0x40000000;

type Receive = (fd: number, message: object, flags: number) => number;

let receive: Receive | undefined;

/**
 * Takes a message of a unix socket with one descriptor in it (SCM_RIGHTS, unix(7)), which the caller closes. Answers -1 with
 * errno set when there is none now. Throws when the connection ended, or a message came without one.
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
    throw new Error('the OCI runtime closed its console socket without handing a terminal over');
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
