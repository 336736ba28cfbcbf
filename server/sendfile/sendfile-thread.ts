import type { Worker } from 'node:worker_threads';
import { type Libc, loadLibc } from '../../storage/linux/libc.ts';
import { startThread } from '../../storage/start-thread.ts';
import type { SendfileCommand, SendfileReport, SendfileWorkerData } from './sendfile-messages.ts';
import { tuneSocket } from './tune-socket.ts';

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

interface RunningTransfer {
  readonly onProgress: () => void;
  readonly settle: (sent: number, error?: Error) => void;
}

/** How a transfer ended: with all its bytes, or fewer when it was cancelled or `error` kept it from going on. */
export interface TransferOutcome {
  readonly sent: number;
  readonly error?: Error;
}

/** The thread that sends files by sendfile(2), as the rest of the server sees it. Linux only. */
export class SendfileThread {
  readonly #libc: Libc = loadLibc();
  readonly #worker: Worker;
  readonly #wakeFd: number;
  readonly #running = new Map<number, RunningTransfer>();
  readonly #ended: Promise<void>;
  // Node waits for its threads when the process exits, and this one sleeps until it is told.
  readonly #onExit = () => this.#command({ kind: 'stop' });
  #failure: Error | undefined;
  #lastKey = 0;

  constructor() {
    this.#wakeFd = this.#libc.eventfd();
    if (this.#wakeFd < 0) throw new Error(`eventfd(2) failed with error number ${this.#libc.errno()}`);
    const workerData: SendfileWorkerData = { wakeFd: this.#wakeFd };
    this.#worker = startThread(new URL('./sendfile-worker.ts', import.meta.url), workerData);
    process.once('exit', this.#onExit);
    this.#worker.on('message', (report: SendfileReport) => this.#onReport(report));
    this.#worker.on('error', (error: Error) => this.#fail(error));
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        process.off('exit', this.#onExit);
        this.#fail(new Error('the thread that sends files has ended'));
        this.#libc.close(this.#wakeFd);
        resolve();
      });
    });
  }

  /** True when it sends no more: what it was sending failed, and another one is needed. */
  get broken(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * Sends, without blocking any thread on a slow client, until all is sent, sending fails or `signal` aborts; when
   * the promise resolves, socket and file are let go of. `onProgress` is called about every second in which
   * bytes have moved. The socket is duplicated at once: whoever gets its number after it was closed gets no bytes.
   */
  send(transfer: FileTransfer, onProgress: () => void, signal: AbortSignal): Promise<TransferOutcome> {
    if (this.#failure !== undefined) return Promise.resolve({ sent: 0, error: this.#failure });
    const socket = this.#libc.duplicate(transfer.socket);
    if (socket < 0) {
      const error = new Error(`the socket could not be duplicated: error number ${this.#libc.errno()}`);
      return Promise.resolve({ sent: 0, error });
    }
    tuneSocket(this.#libc, socket, transfer.local);
    this.#lastKey += 1;
    const key = this.#lastKey;
    const { file, start, end } = transfer;
    return new Promise((resolve) => {
      const cancel = () => this.#command({ kind: 'cancel', key });
      const settle = (sent: number, error?: Error) => {
        signal.removeEventListener('abort', cancel);
        this.#running.delete(key);
        resolve({ sent, ...(error !== undefined && { error }) });
      };
      this.#running.set(key, { onProgress, settle });
      this.#command({ kind: 'send', key, socket, file, start, end });
      if (signal.aborted) cancel();
      else signal.addEventListener('abort', cancel, { once: true });
    });
  }

  /** Ends the thread; what it was still sending is cut short. */
  async close(): Promise<void> {
    if (!this.broken) this.#command({ kind: 'stop' });
    this.#worker.ref();
    await this.#ended;
  }

  #command(command: SendfileCommand): void {
    this.#worker.postMessage(command);
    this.#libc.wake(this.#wakeFd);
  }

  #onReport(report: SendfileReport): void {
    const running = this.#running.get(report.key);
    if (report.kind === 'progress') running?.onProgress();
    else running?.settle(report.sent, report.error === undefined ? undefined : new Error(report.error));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { settle } of this.#running.values()) settle(0, this.#failure);
  }
}
