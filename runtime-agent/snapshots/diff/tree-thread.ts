import { closeSync } from 'node:fs';
import { RequestThread } from '../../../lib/threads/request-thread.ts';
import { EngineError } from '../../errors.ts';
import type { TreeOrder, TreeReport } from './tree-messages.ts';
import type {
  FoundPath,
  LookUpRequest,
  TreeTarRequest,
  TreeTars,
  UpperChange,
  UpperRequest,
} from './tree-tar.ts';

type Done = Exclude<TreeReport, { readonly failure: string }>;

/**
 * Reads trees in a separate thread: tens of thousands of short system calls, some of which wait for the disk, would
 * block the agent. Concurrent tars take turns, a mebibyte each.
 */
export class TreeThread implements TreeTars {
  readonly #thread = new RequestThread<TreeOrder, TreeReport>(new URL('./tree-worker.ts', import.meta.url), {
    purpose: 'that reads trees',
    handsOverDescriptors: true,
  });

  async *read(request: TreeTarRequest, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    signal.throwIfAborted();
    const id = this.#thread.newId();
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
      this.#thread.tell({ id, kind: 'close' });
    }
  }

  async changes(request: UpperRequest, signal: AbortSignal): Promise<readonly UpperChange[]> {
    signal.throwIfAborted();
    const report = await this.#ask({ id: this.#thread.newId(), kind: 'changes', request }, signal);
    return 'changes' in report ? report.changes : [];
  }

  async lookUp(request: LookUpRequest, signal: AbortSignal): Promise<FoundPath | undefined> {
    signal.throwIfAborted();
    const asked = this.#thread.ask({ id: this.#thread.newId(), kind: 'look-up', request });
    const report = await this.#until(asked, signal).catch((error: unknown) => {
      // The caller has gone, so a late descriptor must be closed.
      const closeParent = (late: TreeReport) => {
        if ('found' in late && late.found?.parent !== undefined) closeSync(late.found.parent);
      };
      asked.then(closeParent, () => undefined);
      throw error;
    });
    return 'found' in report ? report.found : undefined;
  }

  async readText(root: number, path: string, limit: number, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    const order = { id: this.#thread.newId(), kind: 'text', root, path, limit } as const;
    const report = await this.#ask(order, signal);
    return 'text' in report ? report.text : '';
  }

  /** Resolves when all earlier requests are done. */
  async settle(): Promise<void> {
    await this.#thread.ask({ id: this.#thread.newId(), kind: 'next' });
  }

  close(): Promise<void> {
    return this.#thread.close();
  }

  async size(folder: string, signal: AbortSignal): Promise<number> {
    signal.throwIfAborted();
    const report = await this.#ask({ id: this.#thread.newId(), kind: 'size', folder }, signal);
    return 'size' in report ? report.size : 0;
  }

  #ask(order: TreeOrder, signal: AbortSignal): Promise<Done> {
    return this.#until(this.#thread.ask(order), signal);
  }

  async #until(asked: Promise<TreeReport>, signal: AbortSignal): Promise<Done> {
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      const report = await Promise.race([asked, aborted]);
      if (!('failure' in report)) return report;
      if (report.unusable) throw new EngineError('bad-request', report.failure);
      throw Object.assign(new Error(report.failure), report.code !== undefined && { code: report.code });
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }
}
