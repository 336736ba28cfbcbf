import type { Libc } from '../libc.ts';
import { TransferThread } from '../transfer-thread.ts';
import type { SendfileBegin, SendingFault } from './sendfile-messages.ts';

/** Bytes `start` up to and without `end` of a file, and the socket that gets them. */
export interface FileTransfer {
  /** Descriptor of a socket that does not block. It may be closed meanwhile. */
  readonly socket: number;
  /** Whether the client is on this machine. */
  readonly local: boolean;
  /** Descriptor that stays open until the transfer has ended. */
  readonly file: number;
  readonly start: number;
  readonly end: number;
}

/** The next `length` bytes of a connection, and the socket that gets them. */
export interface RelayTransfer {
  /** As of a FileTransfer. */
  readonly socket: number;
  readonly local: boolean;
  /** Descriptor of a socket that does not block and that nobody else reads. It may be closed meanwhile. */
  readonly source: number;
  readonly length: number;
  /** Milliseconds for which the source may give nothing while it is waited for. */
  readonly silence: number;
}

/** How a transfer ended: with all its bytes, or fewer when it was cancelled or `fault` kept it from going on. */
export interface TransferOutcome {
  readonly sent: number;
  readonly fault?: SendingFault;
}

/** The thread that sends by sendfile(2) and splice(2), as the rest of the program sees it. Linux only. */
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
   * Sends without blocking a thread on a slow client, until all is sent, sending fails or `signal` aborts. Socket and file are
   * no longer used when the promise resolves. `onProgress` is called about once a second while bytes move. The socket is
   * duplicated at once, so that no bytes go to another connection that reuses its descriptor.
   */
  send(transfer: FileTransfer, onProgress: () => void, signal: AbortSignal): Promise<TransferOutcome> {
    const { file, start, end } = transfer;
    const command = (key: number, [socket = -1]: readonly number[]): SendfileBegin => {
      return { kind: 'send', key, socket, file, start, end };
    };
    return this.#run(transfer, [transfer.socket], command, onProgress, signal);
  }

  /** As `send`. The source is duplicated too; bytes that were read from it but not sent are lost. */
  relay(transfer: RelayTransfer, onProgress: () => void, signal: AbortSignal): Promise<TransferOutcome> {
    const { length, silence } = transfer;
    const command = (key: number, [socket = -1, source = -1]: readonly number[]): SendfileBegin => {
      return { kind: 'relay', key, socket, source, length, silence };
    };
    return this.#run(transfer, [transfer.socket, transfer.source], command, onProgress, signal);
  }

  /** Ends the thread; bodies that it was still sending are cut short. */
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

/** How much was sent is not known: nobody can go on. */
function undone(message: string): TransferOutcome {
  return { sent: 0, fault: { side: 'client', message } };
}

const IPPROTO_TCP = 6;
const TCP_CONGESTION = 13;
const TCP_NOTSENT_LOWAT = 25;

/** Bytes that wait in the system to be sent. A longer queue costs memory and processor time, and sends no faster. */
const UNSENT_BYTES = new Uint8Array(new Uint32Array([256 * 1024]).buffer);
/** Every Linux has it, and every process may use it. */
const UNPACED = Buffer.from('reno');

/**
 * Prepares a TCP socket for long answers. `local` says that the client is on this machine: then there is no network
 * to be careful with, and a congestion control that paces what it sends by timers, as BBR does, halves the speed and
 * doubles the cost. A system that refuses an option only sends more slowly.
 */
function tuneSocket(libc: Libc, socket: number, local: boolean): void {
  libc.setOption(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES);
  if (local) libc.setOption(socket, IPPROTO_TCP, TCP_CONGESTION, UNPACED);
}
