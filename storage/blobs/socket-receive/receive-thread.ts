import { TransferThread } from '../../../lib/linux/transfer-thread.ts';
import type { EndedReceive, ReceiveBegin, ReceiveWorkerData } from './receive-messages.ts';

/** Bytes that come over a socket, and the place of a file that gets them. */
export interface SocketTransfer {
  /** Descriptor of a socket that does not block and that nobody else reads. It may be closed meanwhile. */
  readonly socket: number;
  /** Descriptor that stays open until the transfer has ended. */
  readonly file: number;
  readonly position: number;
  readonly length: number;
}

/** How a transfer ended: with all its bytes, or fewer when the client has gone, it was cancelled, or writing failed. */
export interface TransferResult {
  /** Bytes that are in the file. */
  readonly received: number;
  /** The system's error. */
  readonly deviceError?: Error;
}

/** The thread that receives uploads, as the rest of the program sees it. Linux only. */
export class ReceiveThread {
  readonly #thread: TransferThread<ReceiveBegin, EndedReceive>;

  constructor(memory: Pick<ReceiveWorkerData, 'ring' | 'doorbell'>) {
    this.#thread = new TransferThread({
      file: new URL('./receive-worker.ts', import.meta.url),
      workerData: memory,
      purpose: 'that receives uploads',
    });
  }

  /**
   * Receives until all has come, nothing more comes, writing fails or `signal` aborts; when the promise resolves, socket
   * and file are let go of, and what has come is in the ring by the time that it has been filled `filled` times.
   * `onProgress` is called about every second in which bytes have moved. The socket is duplicated at once: whoever
   * gets its number after it was closed loses no bytes. Rejects when the thread fails.
   */
  async receive(
    key: number,
    transfer: SocketTransfer,
    onProgress: () => void,
    signal: AbortSignal,
  ): Promise<TransferResult & { readonly filled: number }> {
    const { failure, libc } = this.#thread;
    if (failure !== undefined) throw failure;
    const socket = libc.duplicate(transfer.socket);
    if (socket < 0) throw new Error(`the socket could not be duplicated: error number ${libc.errno()}`);
    const begin: ReceiveBegin = { kind: 'receive', key, ...transfer, socket };
    const { received, filled, deviceError } = await this.#thread.run(begin, onProgress, signal);
    if (deviceError === undefined) return { received, filled };
    const { message, code } = deviceError;
    return { received, filled, deviceError: Object.assign(new Error(message), { code }) };
  }

  /** Ends the thread; what it was still receiving is cut short. */
  close(): Promise<void> {
    return this.#thread.close();
  }

  /** Ends the thread at once, also when it waits for a thread that hashes no more. */
  terminate(): void {
    this.#thread.terminate();
  }
}
