import type { Worker } from 'node:worker_threads';
import { startThread } from '../../../storage/start-thread.ts';
import type { NetworkKernel } from './kernel.ts';
import type { JobAnswer, JobKind, JobReport, JobRequest } from './network-jobs.ts';

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The thread that changes links, addresses and packet filters: it moves between network namespaces, which the agent's main
 * thread must not, and waits for the kernel, which takes its time under load. It starts at the first job, and again after it failed.
 */
export class NetworkThread implements NetworkKernel {
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #closed = false;
  #lastId = 0;

  run<K extends JobKind>(kind: K, request: JobRequest<K>): Promise<JobAnswer<K>> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new Error('the agent stops'));
      const worker = this.#start();
      this.#lastId += 1;
      this.#waiting.set(this.#lastId, { resolve: resolve as Waiting['resolve'], reject });
      worker.ref();
      worker.postMessage({ id: this.#lastId, kind, request });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    // It hands descriptors over, which Node would close with it.
    const worker = startThread(new URL('./network-worker.ts', import.meta.url), undefined, {
      trackUnmanagedFds: false,
    });
    worker.on('message', (report: JobReport) => this.#settle(report));
    worker.on('error', (error: Error) => this.#fail(error));
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
      this.#fail(new Error('the thread of the networks has ended'));
    });
    this.#worker = worker;
    return worker;
  }

  #settle(report: JobReport): void {
    const waiting = this.#waiting.get(report.id);
    this.#waiting.delete(report.id);
    if (this.#waiting.size === 0) this.#worker?.unref();
    if (waiting === undefined) return;
    if ('failure' in report) {
      const { failure, code } = report;
      waiting.reject(Object.assign(new Error(failure), code === undefined ? {} : { code }));
    } else waiting.resolve(report.answer);
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
