import { closeSync, writeSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { type Libc, loadLibc } from '../../../lib/linux/libc.ts';
import { startThread } from '../../../lib/threads/start-thread.ts';
import { EngineError } from '../../errors.ts';
import type { AttachCommand, AttachReport, AttachWorkerData } from './attach-messages.ts';

/** The program of the thread. */
export const ATTACH_WORKER = new URL('./attach-worker.ts', import.meta.url);

/** The thread has ended by itself, and what it held of clients with it. */
export class AttachThreadError extends EngineError {
  constructor(cause: Error) {
    super(
      'runtime',
      `the thread that serves attached clients failed (${cause.message}): try again, which starts a new one`,
      { cause },
    );
    this.name = 'AttachThreadError';
  }
}

export interface AttachThreadOptions {
  /** Gets the thread's reports in order. */
  readonly onReport: (report: AttachReport) => void;
  /** Called once, when the thread has ended and nobody had closed it. */
  readonly onFailure: (error: AttachThreadError) => void;
  readonly libc?: Libc;
  readonly file?: URL;
}

/** The thread that holds the attach sockets, as the rest of the agent sees it. */
export class AttachThread {
  readonly #worker: Worker;
  readonly #wakeFd: number;
  readonly #one = new Uint8Array(new BigUint64Array([1n]).buffer);
  readonly #ended: Promise<void>;
  // Node waits for its threads when the process exits, and this one sleeps until it is told.
  readonly #onExit = () => this.command({ kind: 'stop' });
  #isOver = false;

  constructor({ onReport, onFailure, libc = loadLibc(), file = ATTACH_WORKER }: AttachThreadOptions) {
    this.#wakeFd = libc.eventfd();
    if (this.#wakeFd < 0) throw new Error(`eventfd(2) failed with error number ${libc.errno()}`);
    const workerData: AttachWorkerData = { wakeFd: this.#wakeFd };
    this.#worker = startThread(file, workerData);
    process.once('exit', this.#onExit);
    this.#worker.on('message', onReport);
    let reason = new Error('it ended');
    this.#worker.on('error', (error) => {
      reason = error as Error;
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        process.off('exit', this.#onExit);
        closeSync(this.#wakeFd);
        const failed = !this.#isOver;
        this.#isOver = true;
        resolve();
        if (failed) onFailure(new AttachThreadError(reason));
      });
    });
    // Last, as each listener makes the thread count again.
    this.#worker.unref();
  }

  command(command: AttachCommand, transfer: readonly ArrayBuffer[] = []): void {
    if (this.#isOver) return;
    this.#worker.postMessage(command, [...transfer]);
    writeSync(this.#wakeFd, this.#one);
  }

  /** Closes every socket and ends the thread. */
  async close(): Promise<void> {
    this.command({ kind: 'stop' });
    this.#isOver = true;
    this.#worker.ref();
    await this.#ended;
  }
}
