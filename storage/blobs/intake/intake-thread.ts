import type { Worker } from 'node:worker_threads';
import { type Libc, loadLibc } from '../../../lib/linux/libc.ts';
import { startThread } from '../../../lib/threads/start-thread.ts';
import type { IntakeCommand, IntakeReport, IntakeWorkerData } from './intake-messages.ts';

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

interface RunningTransfer {
  readonly onProgress: () => void;
  readonly resolve: (report: Extract<IntakeReport, { kind: 'ended' }>) => void;
  readonly reject: (error: Error) => void;
}

/** The thread that receives uploads, as the rest of the program sees it. Linux only. */
export class IntakeThread {
  readonly #libc: Libc = loadLibc();
  readonly #worker: Worker;
  readonly #wakeFd: number;
  readonly #running = new Map<number, RunningTransfer>();
  readonly #exited: Promise<void>;
  // Node waits for its threads when the process exits, and this one sleeps until it is told.
  readonly #onExit = () => this.#command({ kind: 'stop' });
  #failure: Error | undefined;

  constructor(memory: Pick<IntakeWorkerData, 'ring' | 'doorbell'>) {
    this.#wakeFd = this.#libc.eventfd();
    if (this.#wakeFd < 0) throw new Error(`eventfd(2) failed with error number ${this.#libc.errno()}`);
    const workerData: IntakeWorkerData = { wakeFd: this.#wakeFd, ...memory };
    this.#worker = startThread(new URL('./intake-worker.ts', import.meta.url), workerData);
    process.once('exit', this.#onExit);
    this.#worker.on('message', (report: IntakeReport) => this.#onReport(report));
    this.#worker.on('error', (error: Error) => this.#fail(error));
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        process.off('exit', this.#onExit);
        this.#fail(new Error('the thread that receives uploads has ended'));
        this.#libc.close(this.#wakeFd);
        resolve();
      });
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
    if (this.#failure !== undefined) throw this.#failure;
    const socket = this.#libc.duplicate(transfer.socket);
    if (socket < 0) throw new Error(`the socket could not be duplicated: error number ${this.#libc.errno()}`);
    const cancel = () => this.#command({ kind: 'cancel', key });
    try {
      const ended = new Promise<Extract<IntakeReport, { kind: 'ended' }>>((resolve, reject) => {
        this.#running.set(key, { onProgress, resolve, reject });
      });
      this.#command({ kind: 'receive', key, ...transfer, socket });
      if (signal.aborted) cancel();
      else signal.addEventListener('abort', cancel, { once: true });
      const { received, filled, deviceError } = await ended;
      if (deviceError === undefined) return { received, filled };
      const { message, code } = deviceError;
      return { received, filled, deviceError: Object.assign(new Error(message), { code }) };
    } finally {
      signal.removeEventListener('abort', cancel);
      this.#running.delete(key);
    }
  }

  /** Ends the thread; what it was still receiving is cut short. */
  async close(): Promise<void> {
    if (this.#failure === undefined) this.#command({ kind: 'stop' });
    this.#worker.ref();
    await this.#exited;
  }

  /** Ends the thread at once, also when it waits for a thread that hashes no more. */
  terminate(): void {
    this.#fail(new Error('the thread that receives uploads was stopped'));
    void this.#worker.terminate();
    this.#libc.wake(this.#wakeFd);
  }

  #command(command: IntakeCommand): void {
    this.#worker.postMessage(command);
    this.#libc.wake(this.#wakeFd);
  }

  #onReport(report: IntakeReport): void {
    const running = this.#running.get(report.key);
    if (report.kind === 'progress') running?.onProgress();
    else running?.resolve(report);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#running.values()) reject(this.#failure);
  }
}
