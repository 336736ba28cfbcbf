import { TransferThread } from '../../../lib/linux/transfer-thread.ts';
import type { EndedReceive, ReceiveBegin, ReceiveWorkerData } from './receive-messages.ts';

/** Bytes from a socket, and their position in the file. */
export interface SocketTransfer {
  /** Descriptor of a non-blocking socket that nobody else reads. It may be closed meanwhile. */
  readonly socket: number;
  /** Descriptor that stays open until the transfer has ended. */
  readonly file: number;
  readonly position: number;
  readonly length: number;
}

/** How a transfer ended: with all its bytes, or fewer when the client has gone, it was cancelled, or writing failed. */
export interface TransferResult {
  /** Number of bytes that are in the file. */
  readonly received: number;
  /** The system's error. */
  readonly deviceError?: Error;
}

/** The thread that receives uploads, as seen by the rest of the program. Linux only. */
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
   * Receives until all bytes have arrived, the client ends, writing fails or `signal` aborts. When the promise
   * resolves, socket and file are released, and the bytes are in the ring once it has been filled `filled` times.
   * `onProgress` is called about once a second while bytes move. The socket is duplicated at once, so that the reuse of
   * its descriptor is harmless. Rejects when the thread fails.
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

  /** Ends the thread; transfers in progress are cut short. */
  close(): Promise<void> {
    return this.#thread.close();
  }

  /** Ends the thread at once, even while it waits for a hash thread that has stopped. */
  terminate(): void {
    this.#thread.terminate();
  }
}
