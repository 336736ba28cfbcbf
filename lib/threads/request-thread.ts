import type { Worker } from 'node:worker_threads';
import { endThread, startThread } from './start-thread.ts';

interface Numbered {
  readonly id: number;
}

interface Waiting<Report> {
  readonly resolve: (report: Report) => void;
  readonly reject: (error: Error) => void;
}

export interface RequestThreadOptions {
  /** What the thread does, for errors: `that reads trees`. */
  readonly purpose: string;
  /** Foreign descriptors pass through the thread, which Node would otherwise close with it. */
  readonly handsOverDescriptors: boolean;
  /** Maximum heap of long-lived objects; for threads that need more than a little. */
  readonly maxHeapMegabytes?: number;
}

/**
 * A thread that answers each request with one report of the same `id`. It starts with the first request, and again
 * after a failure; it keeps the process alive only while a request is pending.
 */
export class RequestThread<Request extends Numbered, Report extends Numbered> {
  readonly #waiting = new Map<number, Waiting<Report>>();
  readonly #file: URL;
  readonly #options: RequestThreadOptions;
  #worker: Worker | undefined;
  #closed = false;
  #lastId = 0;

  constructor(file: URL, options: RequestThreadOptions) {
    this.#file = file;
    this.#options = options;
  }

  newId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  /** Sends a request. Rejects when the thread ends before it has answered, or is closed. */
  ask(request: Request): Promise<Report> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new Error(`the thread ${this.#options.purpose} is closed`));
      const worker = this.#start();
      this.#waiting.set(request.id, { resolve, reject });
      worker.ref();
      worker.postMessage(request);
    });
  }

  /** Sends a message without an answer, to a thread that is running. */
  tell(request: Request): void {
    this.#worker?.postMessage(request);
  }

  /** Ends an idle thread until the next request. */
  async rest(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker !== undefined) await endThread(worker);
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#worker !== undefined) await endThread(this.#worker);
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const { handsOverDescriptors, maxHeapMegabytes } = this.#options;
    const worker = startThread(this.#file, undefined, {
      trackUnmanagedFds: !handsOverDescriptors,
      ...(maxHeapMegabytes !== undefined && {
        resourceLimits: { maxOldGenerationSizeMb: maxHeapMegabytes, maxYoungGenerationSizeMb: 16 },
      }),
    });
    worker.on('message', (report: Report) => {
      const waiting = this.#waiting.get(report.id);
      this.#waiting.delete(report.id);
      if (this.#waiting.size === 0) worker.unref();
      waiting?.resolve(report);
    });
    worker.on('error', (error: Error) => this.#fail(error));
    worker.on('exit', () => {
      // A thread that was ended by `rest` has no pending requests.
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#fail(new Error(`the thread ${this.#options.purpose} has ended`));
    });
    this.#worker = worker;
    return worker;
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
