import type { Worker } from 'node:worker_threads';
import { endThread, startThread } from '../threads/start-thread.ts';
import { type Libc, loadLibc } from './libc.ts';

/** Commands that every transfer thread accepts, besides those that begin a transfer under a `key`. */
export type TransferControl = { readonly kind: 'cancel'; readonly key: number } | { readonly kind: 'stop' };

/** A report of the thread. After `ended` it uses no descriptor of the transfer. */
export type TransferReport<Ended> =
  | { readonly kind: 'progress'; readonly key: number }
  | (Ended & { readonly kind: 'ended'; readonly key: number });

export interface TransferThreadOptions {
  /** A program that runs a TransferLoop over the eventfd `wakeFd` of its worker data. */
  readonly file: URL;
  /** Passed to it beside `wakeFd`. */
  readonly workerData?: object;
  /** What the thread is for, in errors: `that sends`. */
  readonly purpose: string;
}

interface RunningTransfer<Ended> {
  readonly onProgress: () => void;
  readonly resolve: (report: Ended) => void;
  readonly reject: (error: Error) => void;
}

/** A thread that runs a TransferLoop. It does not keep the process alive. Linux only. */
export class TransferThread<Begin extends { readonly key: number }, Ended> {
  readonly libc: Libc = loadLibc();
  readonly #purpose: string;
  readonly #worker: Worker;
  readonly #wakeFd: number;
  readonly #running = new Map<number, RunningTransfer<Ended>>();
  readonly #exited: Promise<void>;
  // Node waits for its threads at exit, and this one sleeps until it gets a command.
  readonly #onExit = () => this.#command({ kind: 'stop' });
  #failure: Error | undefined;

  constructor({ file, workerData, purpose }: TransferThreadOptions) {
    this.#purpose = purpose;
    this.#wakeFd = this.libc.eventfd();
    if (this.#wakeFd < 0) throw new Error(`eventfd(2) failed with error number ${this.libc.errno()}`);
    this.#worker = startThread(file, { ...workerData, wakeFd: this.#wakeFd });
    process.once('exit', this.#onExit);
    this.#worker.on('message', (report: TransferReport<Ended>) => this.#onReport(report));
    this.#worker.on('error', (error: Error) => this.#fail(error));
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        process.off('exit', this.#onExit);
        this.#fail(new Error(`the thread ${purpose} has ended`));
        this.libc.close(this.#wakeFd);
        resolve();
      });
    });
  }

  /** Why the thread has stopped; undefined while it runs. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /**
   * Runs a transfer to its end, and cancels it when `signal` aborts. The thread takes ownership of the descriptors in
   * `begin`. `onProgress` is called at each progress report. Throws `failure` when the thread ends first.
   */
  async run(begin: Begin, onProgress: () => void, signal: AbortSignal): Promise<Ended> {
    if (this.#failure !== undefined) throw this.#failure;
    const { key } = begin;
    const cancel = () => this.#command({ kind: 'cancel', key });
    try {
      const ended = new Promise<Ended>((resolve, reject) => {
        this.#running.set(key, { onProgress, resolve, reject });
      });
      this.#command(begin);
      if (signal.aborted) cancel();
      else signal.addEventListener('abort', cancel, { once: true });
      return await ended;
    } finally {
      signal.removeEventListener('abort', cancel);
      this.#running.delete(key);
    }
  }

  /** Ends the thread; running transfers are cut short. */
  async close(): Promise<void> {
    if (this.#failure === undefined) this.#command({ kind: 'stop' });
    this.#worker.ref();
    await this.#exited;
  }

  /** Ends the thread at once, also when it is blocked; running transfers fail. */
  terminate(): void {
    this.#fail(new Error(`the thread ${this.#purpose} was stopped`));
    void endThread(this.#worker);
    this.libc.wake(this.#wakeFd);
  }

  #command(command: Begin | TransferControl): void {
    this.#worker.postMessage(command);
    this.libc.wake(this.#wakeFd);
  }

  #onReport(report: TransferReport<Ended>): void {
    const running = this.#running.get(report.key);
    if (report.kind === 'progress') running?.onProgress();
    else running?.resolve(report);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#running.values()) reject(this.#failure);
  }
}
