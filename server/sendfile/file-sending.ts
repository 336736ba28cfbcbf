import type { Libc } from '../../lib/linux/libc.ts';
import { POLLOUT } from '../../lib/linux/poll.ts';
import type { Transfer } from '../../lib/linux/transfer-loop.ts';
import type { SendfileCommand, SendingFault } from './sendfile-messages.ts';
import type { SendingProgress } from './sending-progress.ts';
import { mayPass } from './socket-errors.ts';

/** Bytes that one client gets before it is the next one's turn. */
const SLICE = 1024 * 1024;

/** A part of a file on its way to a client, by sendfile(2). */
export class FileSending implements Transfer {
  readonly #libc: Libc;
  readonly #command: Extract<SendfileCommand, { kind: 'send' }>;
  readonly #progress: SendingProgress;
  readonly #offset: BigInt64Array;

  constructor(libc: Libc, command: Extract<SendfileCommand, { kind: 'send' }>, progress: SendingProgress) {
    this.#libc = libc;
    this.#command = command;
    this.#progress = progress;
    this.#offset = new BigInt64Array([BigInt(command.start)]);
  }

  get watched() {
    return { fd: this.#command.socket, events: POLLOUT };
  }

  takeTurn(): void {
    const { socket, file, end } = this.#command;
    const left = end - Number(this.#offset[0]);
    const sent = this.#libc.sendfile(socket, file, this.#offset, Math.min(left, SLICE));
    if (sent < 0) {
      const errno = this.#libc.errno();
      if (mayPass(errno)) return;
      this.end({ side: 'client', message: `sendfile(2) failed with error number ${errno}` });
    } else if (sent === left) this.end();
    else if (sent === 0) this.end({ side: 'source', message: `the file ends ${left} bytes too early` });
    else this.#progress.moved();
  }

  end(fault?: SendingFault): void {
    this.#libc.close(this.#command.socket);
    this.#progress.ended(Number(this.#offset[0]) - this.#command.start, fault);
  }
}
