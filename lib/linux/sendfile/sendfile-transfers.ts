import type { Libc, Pipe } from '../libc.ts';
import { POLLIN, POLLOUT } from '../poll.ts';
import type { Transfer } from '../transfer-loop.ts';
import type { SendfileCommand, SendfileReport, SendingFault } from './sendfile-messages.ts';

/** Size of the pipe between source and client, bytes; all pipes of a user may hold 64 MiB. */
const PIPE_SIZE = 512 * 1024;
/**
 * The system wakes this thread for at least this many bytes, or the last ones: a wake-up for each packet is expensive.
 */
const WORTH_WAKING = 128 * 1024;
const SOL_SOCKET = 1;
const SO_RCVLOWAT = 18;
/** Maximum refills of the pipe per turn. */
const TURN = 4;

/**
 * Relays bytes between connections by splice(2) through a pipe: they never enter user space, and at most a full pipe of
 * them is buffered. Bytes in the pipe are lost when either side fails.
 */
export class Relaying implements Transfer {
  readonly #libc: Libc;
  readonly #command: Extract<SendfileCommand, { kind: 'relay' }>;
  readonly #progress: SendingProgress;
  readonly #pipe: Pipe | undefined;
  #taken = 0;
  #sent = 0;
  #wakesAt = 0;
  #ended = false;
  #waitsSince = performance.now();

  constructor(libc: Libc, command: Extract<SendfileCommand, { kind: 'relay' }>, progress: SendingProgress) {
    this.#libc = libc;
    this.#command = command;
    this.#progress = progress;
    this.#pipe = libc.pipe(PIPE_SIZE);
    this.#wakeWhenWorth();
  }

  /** The client while bytes are in the pipe, otherwise the source. */
  get watched() {
    const { socket, source } = this.#command;
    return this.#isEmpty ? { fd: source, events: POLLIN } : { fd: socket, events: POLLOUT };
  }

  get deadline(): number | undefined {
    return this.#isEmpty ? this.#waitsSince + this.#command.silence : undefined;
  }

  onDeadline(): void {
    // Some bytes arrived, though fewer than the threshold.
    const before = this.#taken;
    this.takeTurn();
    if (this.#taken > before || this.#ended) return;
    this.end({ side: 'source', message: 'the source has given nothing for too long' });
  }

  takeTurn(): void {
    if (this.#pipe === undefined) {
      this.end({ side: 'source', message: `pipe2(2) failed with error number ${this.#libc.errno()}` });
      return;
    }
    for (let turn = 0; turn < TURN; turn += 1) {
      if (this.#isEmpty && !this.#take(this.#pipe)) return;
      if (!this.#give(this.#pipe)) return;
    }
    this.#progress.moved();
  }

  end(fault?: SendingFault): void {
    this.#ended = true;
    const { socket, source } = this.#command;
    for (const fd of [socket, source, this.#pipe?.input, this.#pipe?.output]) {
      if (fd !== undefined) this.#libc.close(fd);
    }
    this.#progress.ended(this.#sent, fault);
  }

  get #isEmpty(): boolean {
    return this.#taken === this.#sent;
  }

  /** Fills the pipe; returns false when it would block. */
  #take({ input }: Pipe): boolean {
    const { source, length } = this.#command;
    const count = this.#libc.splice(source, input, Math.min(length - this.#taken, PIPE_SIZE));
    if (count > 0) {
      this.#taken += count;
      return true;
    }
    const errno = count < 0 ? this.#libc.errno() : 0;
    if (!mayPass(errno)) {
      const left = length - this.#taken;
      const message = errno === 0 ? `it ends ${left} bytes too early` : `error number ${errno}`;
      this.end({ side: 'source', message: `the source broke off: ${message}` });
    }
    return false;
  }

  /** Empties the pipe; returns false when it would block, or all is sent. */
  #give({ output }: Pipe): boolean {
    const { socket, length } = this.#command;
    while (!this.#isEmpty) {
      const count = this.#libc.splice(output, socket, this.#taken - this.#sent);
      if (count < 0) {
        const errno = this.#libc.errno();
        if (!mayPass(errno))
          this.end({ side: 'client', message: `splice(2) failed with error number ${errno}` });
        return false;
      }
      this.#sent += count;
    }
    this.#waitsSince = performance.now();
    if (this.#sent < length) {
      this.#wakeWhenWorth();
      return true;
    }
    this.end();
    return false;
  }

  #wakeWhenWorth(): void {
    const { source, length } = this.#command;
    const count = Math.min(WORTH_WAKING, length - this.#taken);
    if (count === this.#wakesAt) return;
    this.#wakesAt = count;
    this.#libc.setOption(source, SOL_SOCKET, SO_RCVLOWAT, new Uint8Array(new Int32Array([count]).buffer));
  }
}

const EINTR = 4;
const EAGAIN = 11;

/** Reports whether a failed call on a non-blocking descriptor should be retried later. */
export function mayPass(errno: number): boolean {
  return errno === EAGAIN || errno === EINTR;
}

/** Maximum bytes per client and turn. */
const SLICE = 1024 * 1024;

/** Sends a part of a file to a client by sendfile(2). */
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

const PROGRESS_EVERY_MS = 1000;

/** Progress reports of one transfer. */
export class SendingProgress {
  readonly #key: number;
  readonly #tell: (report: SendfileReport) => void;
  #toldAt = performance.now();

  constructor(key: number, tell: (report: SendfileReport) => void) {
    this.#key = key;
    this.#tell = tell;
  }

  /** Records that bytes have moved. */
  moved(): void {
    if (performance.now() - this.#toldAt < PROGRESS_EVERY_MS) return;
    this.#toldAt = performance.now();
    this.#tell({ kind: 'progress', key: this.#key });
  }

  /** Reports the end, after the last use of the descriptors. Call it once. */
  ended(sent: number, fault?: SendingFault): void {
    this.#tell({ kind: 'ended', key: this.#key, sent, ...(fault && { fault }) });
  }
}
