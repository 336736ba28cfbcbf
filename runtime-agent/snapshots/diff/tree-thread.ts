import type { Worker } from 'node:worker_threads';
import { startThread } from '../../../storage/start-thread.ts';
import { EngineError } from '../../errors.ts';
import type { TreeOrder, TreeReport } from './tree-messages.ts';
import type { TreeTarRequest, TreeTars, UpperChange, UpperRequest } from './tree-tar.ts';

type Done = Exclude<TreeReport, { readonly failure: string }>;

interface Waiting {
  readonly resolve: (report: Done) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Reads trees in a thread of its own: tens of thousands of short system calls, of which some wait for the disk, must
 * not keep the agent from answering. Tars that are read at the same time take turns, a mebibyte each. It starts with the
 * first tar.
 */
export class TreeThread implements TreeTars {
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #closed = false;
  #lastId = 0;

  async *read(request: TreeTarRequest, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    signal.throwIfAborted();
    this.#lastId += 1;
    const id = this.#lastId;
    try {
      let report = await this.#ask({ id, kind: 'open', request }, signal);
      while ('chunk' in report) {
        // The next one is read while this one is used.
        const next = this.#ask({ id, kind: 'next' }, signal);
        next.catch(() => undefined);
        yield report.chunk;
        signal.throwIfAborted();
        report = await next;
      }
    } finally {
      this.#worker?.postMessage({ id, kind: 'close' } satisfies TreeOrder);
    }
  }

  async changes(request: UpperRequest, signal: AbortSignal): Promise<readonly UpperChange[]> {
    signal.throwIfAborted();
    this.#lastId += 1;
    const report = await this.#ask({ id: this.#lastId, kind: 'changes', request }, signal);
    return 'changes' in report ? report.changes : [];
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
  }

  async #ask(order: TreeOrder, signal: AbortSignal): Promise<Done> {
    if (this.#closed) throw new Error('the agent stops');
    const worker = this.#start();
    const { promise, resolve, reject } = Promise.withResolvers<Done>();
    this.#waiting.set(order.id, { resolve, reject });
    worker.ref();
    worker.postMessage(order);
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    // Descriptors of the caller pass through it, which Node would close with it.
    const worker = startThread(new URL('./tree-worker.ts', import.meta.url), undefined, {
      trackUnmanagedFds: false,
    });
    worker.on('message', (report: TreeReport) => this.#settle(report));
    worker.on('error', (error: Error) => this.#fail(error));
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
      this.#fail(new Error('the thread that reads trees has ended'));
    });
    this.#worker = worker;
    return worker;
  }

  #settle(report: TreeReport): void {
    const waiting = this.#waiting.get(report.id);
    this.#waiting.delete(report.id);
    if (this.#waiting.size === 0) this.#worker?.unref();
    if (waiting === undefined) return;
    if (!('failure' in report)) waiting.resolve(report);
    else if (report.unusable) waiting.reject(new EngineError('bad-request', report.failure));
    else
      waiting.reject(
        Object.assign(new Error(report.failure), report.code !== undefined && { code: report.code }),
      );
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
