import { closeSync, writeSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { startThread } from '../../../storage/start-thread.ts';
import { type Libc, loadLibc } from '../../linux/libc.ts';
import type { AttachCommand, AttachReport, AttachWorkerData } from './attach-messages.ts';

const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

/** The thread that holds the attach sockets, as the rest of the agent sees it. */
export class AttachThread {
  readonly #worker: Worker;
  readonly #wakeFd: number;
  readonly #one = new Uint8Array(new BigUint64Array([1n]).buffer);
  readonly #ended: Promise<void>;
  // Node waits for its threads when the process exits, and this one sleeps until it is told.
  readonly #onExit = () => this.command({ kind: 'stop' });
  #closed = false;

  /** `onReport` gets the thread's reports in order; `onFailure` the error that ended it. */
  constructor(
    onReport: (report: AttachReport) => void,
    onFailure: (error: Error) => void,
    libc: Libc = loadLibc(),
  ) {
    this.#wakeFd = libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (this.#wakeFd < 0) throw new Error(`eventfd(2) failed with error number ${libc.errno()}`);
    const workerData: AttachWorkerData = { wakeFd: this.#wakeFd };
    this.#worker = startThread(new URL('./attach-worker.ts', import.meta.url), workerData);
    process.once('exit', this.#onExit);
    this.#worker.on('message', onReport);
    this.#worker.on('error', onFailure);
    this.#ended = new Promise((resolve) => this.#worker.once('exit', () => resolve()));
    // Last, as each listener makes the thread count again.
    this.#worker.unref();
  }

  command(command: AttachCommand, transfer: readonly ArrayBuffer[] = []): void {
    if (this.#closed) return;
    this.#worker.postMessage(command, [...transfer]);
    writeSync(this.#wakeFd, this.#one);
  }

  /** Closes every socket and ends the thread. */
  async close(): Promise<void> {
    if (this.#closed) return;
    process.off('exit', this.#onExit);
    this.command({ kind: 'stop' });
    this.#closed = true;
    this.#worker.ref();
    await this.#ended;
    closeSync(this.#wakeFd);
  }
}
