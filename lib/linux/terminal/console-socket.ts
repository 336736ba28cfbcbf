import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ERRNO } from '../errno.ts';
import type { Libc } from '../libc.ts';
import { SystemCallError } from '../mount-library.ts';
import { receiveDescriptor } from './receive-descriptor.ts';

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
