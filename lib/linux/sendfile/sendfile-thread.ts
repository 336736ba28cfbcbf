import type { Libc } from '../libc.ts';
import { TransferThread } from '../transfer-thread.ts';
import type { SendfileBegin, SendingFault } from './sendfile-messages.ts';

/** Bytes from `start` up to but excluding `end` of a file, and the socket that receives them. */
export interface FileTransfer {
  /** Descriptor of a non-blocking socket. It may be closed meanwhile. */
  readonly socket: number;
  /** Whether the client is on this machine. */
  readonly local: boolean;
  /** Descriptor that stays open until the transfer has ended. */
  readonly file: number;
  readonly start: number;
  readonly end: number;
}

/** The next `length` bytes of a connection, and the socket that receives them. */
export interface RelayTransfer {
  /** See FileTransfer. */
  readonly socket: number;
  readonly local: boolean;
  /** Descriptor of a non-blocking socket that nobody else reads. It may be closed meanwhile. */
  readonly source: number;
  readonly length: number;
  /** Maximum milliseconds of silence of the source. */
  readonly silence: number;
}

/** The end of a transfer: complete, cancelled, or stopped by `fault`. */
export interface TransferOutcome {
  readonly sent: number;
  readonly fault?: SendingFault;
}

/** Runs the thread that sends by sendfile(2) and splice(2). Linux only. */
export class SendfileThread {
  readonly #thread = new TransferThread<SendfileBegin, TransferOutcome>({
    file: new URL('./sendfile-worker.ts', import.meta.url),
    purpose: 'that sends',
  });
  #lastKey = 0;

  /** True after a failure: its transfers have failed, and a new thread is needed. */
  get broken(): boolean {
    return this.#thread.failure !== undefined;
  }

  /**
   * Sends without blocking a thread on a slow client, until all is sent, sending fails or `signal` aborts. When the
   * promise resolves, socket and file are no longer used. `onProgress` is called about once a second while bytes move.
   * The socket is duplicated at once, so that no bytes go to another connection that reuses its descriptor.
   */
  send(transfer: FileTransfer, onProgress: () => void, signal: AbortSignal): Promise<TransferOutcome> {
    const { file, start, end } = transfer;
    const command = (key: number, [socket = -1]: readonly number[]): SendfileBegin => {
      return { kind: 'send', key, socket, file, start, end };
    };
    return this.#run(transfer, [transfer.socket], command, onProgress, signal);
  }

  /** Like `send`. The source is duplicated too; bytes that were read from it but not sent are lost. */
  relay(transfer: RelayTransfer, onProgress: () => void, signal: AbortSignal): Promise<TransferOutcome> {
    const { length, silence } = transfer;
    const command = (key: number, [socket = -1, source = -1]: readonly number[]): SendfileBegin => {
      return { kind: 'relay', key, socket, source, length, silence };
    };
    return this.#run(transfer, [transfer.socket, transfer.source], command, onProgress, signal);
  }

  /** Ends the thread; bodies in progress are cut short. */
  close(): Promise<void> {
    return this.#thread.close();
  }

  async #run(
    { local }: Pick<FileTransfer, 'local'>,
    descriptors: readonly number[],
    beginOf: (key: number, duplicates: readonly number[]) => SendfileBegin,
    onProgress: () => void,
    signal: AbortSignal,
  ): Promise<TransferOutcome> {
    const { failure, libc } = this.#thread;
    if (failure !== undefined) return undone(failure.message);
    const duplicates = descriptors.map((fd) => libc.duplicate(fd));
    const [socket = -1] = duplicates;
    if (duplicates.some((fd) => fd < 0)) {
      const error = libc.errno();
      for (const fd of duplicates) if (fd >= 0) libc.close(fd);
      return undone(`the sockets could not be duplicated: error number ${error}`);
    }
    tuneSocket(libc, socket, local);
    this.#lastKey += 1;
    try {
      const { sent, fault } = await this.#thread.run(beginOf(this.#lastKey, duplicates), onProgress, signal);
      return { sent, ...(fault && { fault }) };
    } catch (error) {
      return undone((error as Error).message);
    }
  }
}

/** The number of bytes sent is unknown, so the transfer cannot be resumed. */
function undone(message: string): TransferOutcome {
  return { sent: 0, fault: { side: 'client', message } };
}

const IPPROTO_TCP = 6;
const TCP_CONGESTION = 13;
const TCP_NOTSENT_LOWAT = 25;

/**
 * Bytes that may wait in the socket's send queue. A longer queue costs memory and processor time, and sends no faster.
 */
const UNSENT_BYTES = new Uint8Array(new Uint32Array([256 * 1024]).buffer);
/** Available on every Linux, to every process. */
const UNPACED = Buffer.from('reno');

/**
 * Tunes a TCP socket for long answers. `local` says that the client is on this machine: pacing by timers, as BBR does,
 * is then useless, halves the speed and doubles the cost. A system that refuses an option only sends more slowly.
 */
function tuneSocket(libc: Libc, socket: number, local: boolean): void {
  libc.setOption(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES);
  if (local) libc.setOption(socket, IPPROTO_TCP, TCP_CONGESTION, UNPACED);
}
