import type {
  FoundPath,
  LookUpRequest,
  TreeTarRequest,
  TreeTars,
  UpperChange,
  UpperRequest,
} from './tree-tar.ts';
import { TreeThread } from './tree-thread.ts';

/** Maximum idle threads. */
const IDLE = 2;

/**
 * A thread for each concurrent task: a container's mount may block a system call for ever, which must block no other
 * task.
 */
export class TreeThreads implements TreeTars {
  readonly #idle: TreeThread[] = [];
  readonly #busy = new Set<TreeThread>();
  #closed = false;

  async *read(request: TreeTarRequest, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    const thread = this.#take();
    let whole = false;
    try {
      yield* thread.read(request, signal);
      whole = true;
    } finally {
      this.#give(thread, whole);
    }
  }

  changes(request: UpperRequest, signal: AbortSignal): Promise<readonly UpperChange[]> {
    return this.#with((thread) => thread.changes(request, signal));
  }

  size(folder: string, signal: AbortSignal): Promise<number> {
    return this.#with((thread) => thread.size(folder, signal));
  }

  lookUp(request: LookUpRequest, signal: AbortSignal): Promise<FoundPath | undefined> {
    return this.#with((thread) => thread.lookUp(request, signal));
  }

  readText(root: number, path: string, limit: number, signal: AbortSignal): Promise<string> {
    return this.#with((thread) => thread.readText(root, path, limit, signal));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#idle, ...this.#busy].map((thread) => thread.close()));
  }

  async #with<T>(work: (thread: TreeThread) => Promise<T>): Promise<T> {
    const thread = this.#take();
    let whole = false;
    try {
      const result = await work(thread);
      whole = true;
      return result;
    } finally {
      this.#give(thread, whole);
    }
  }

  #take(): TreeThread {
    if (this.#closed) throw new Error('the agent stops');
    const thread = this.#idle.pop() ?? new TreeThread();
    this.#busy.add(thread);
    return thread;
  }

  /**
   * Returns a thread to the pool. After an aborted task the thread is awaited first: it may be blocked, or have
   * descriptors to close.
   */
  #give(thread: TreeThread, whole: boolean): void {
    const keep = () => {
      this.#busy.delete(thread);
      if (!this.#closed && this.#idle.length < IDLE) this.#idle.push(thread);
      else drop();
    };
    const drop = () => {
      this.#busy.delete(thread);
      thread.close().catch(() => undefined);
    };
    if (whole) keep();
    else thread.settle().then(keep, drop);
  }
}
