import type { Worker } from 'node:worker_threads';
import { type Libc, loadLibc } from '../../lib/linux/libc.ts';
import { startThread } from '../../lib/threads/start-thread.ts';
import type {
  SendfileCommand,
  SendfileReport,
  SendfileWorkerData,
  SendingFault,
} from './sendfile-messages.ts';
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

interface RunningTransfer {
  readonly onProgress: () => void;
  readonly settle: (outcome: TransferOutcome) => void;
}

/** How a transfer ended: with all its bytes, or fewer when it was cancelled or `fault` kept it from going on. */
export interface TransferOutcome {
  readonly sent: number;
  readonly fault?: SendingFault;
}

/** The thread that sends by sendfile(2) and splice(2), as the rest of the server sees it. Linux only. */
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
        this.#fail(new Error('the thread that sends has ended'));
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
    const { file, start, end } = transfer;
    const command = (key: number, [socket = -1]: readonly number[]): SendfileCommand => {
      return { kind: 'send', key, socket, file, start, end };
    };
    return this.#run(transfer, [transfer.socket], command, onProgress, signal);
  }

  /** As `send`. The source is duplicated too; what has been taken from it and not been sent is lost. */
  relay(transfer: RelayTransfer, onProgress: () => void, signal: AbortSignal): Promise<TransferOutcome> {
    const { length, silence } = transfer;
    const command = (key: number, [socket = -1, source = -1]: readonly number[]): SendfileCommand => {
      return { kind: 'relay', key, socket, source, length, silence };
    };
    return this.#run(transfer, [transfer.socket, transfer.source], command, onProgress, signal);
  }

  /** Ends the thread; what it was still sending is cut short. */
  async close(): Promise<void> {
    if (!this.broken) this.#command({ kind: 'stop' });
    this.#worker.ref();
    await this.#ended;
  }

  #run(
    { local }: Pick<FileTransfer, 'local'>,
    descriptors: readonly number[],
    commandOf: (key: number, duplicates: readonly number[]) => SendfileCommand,
    onProgress: () => void,
    signal: AbortSignal,
  ): Promise<TransferOutcome> {
    if (this.#failure !== undefined) return Promise.resolve(undone(this.#failure.message));
    const duplicates = descriptors.map((fd) => this.#libc.duplicate(fd));
    const [socket = -1] = duplicates;
    if (duplicates.some((fd) => fd < 0)) {
      const error = this.#libc.errno();
      for (const fd of duplicates) if (fd >= 0) this.#libc.close(fd);
      return Promise.resolve(undone(`the sockets could not be duplicated: error number ${error}`));
    }
    tuneSocket(this.#libc, socket, local);
    this.#lastKey += 1;
    const key = this.#lastKey;
    return new Promise((resolve) => {
      const cancel = () => this.#command({ kind: 'cancel', key });
      const settle = (outcome: TransferOutcome) => {
        signal.removeEventListener('abort', cancel);
        this.#running.delete(key);
        resolve(outcome);
      };
      this.#running.set(key, { onProgress, settle });
      this.#command(commandOf(key, duplicates));
      if (signal.aborted) cancel();
      else signal.addEventListener('abort', cancel, { once: true });
    });
  }

  #command(command: SendfileCommand): void {
    this.#worker.postMessage(command);
    this.#libc.wake(this.#wakeFd);
  }

  #onReport(report: SendfileReport): void {
    const running = this.#running.get(report.key);
    if (report.kind === 'progress') running?.onProgress();
    else running?.settle({ sent: report.sent, ...(report.fault && { fault: report.fault }) });
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { settle } of this.#running.values()) settle(undone(this.#failure.message));
  }
}

/** How much was sent is not known: nobody can go on. */
function undone(message: string): TransferOutcome {
  return { sent: 0, fault: { side: 'client', message } };
}
