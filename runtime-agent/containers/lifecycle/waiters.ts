import type { WaitCondition, WaitResult } from '../containers.ts';

interface Waiter {
  readonly condition: WaitCondition;
  readonly resolve: (result: WaitResult) => void;
}

/** Who waits for a container. */
export class Waiters {
  readonly #waiters = new Set<Waiter>();

  /** Rejects with the signal's reason when that aborts first. */
  add(condition: WaitCondition, signal?: AbortSignal): Promise<WaitResult> {
    const result = new Promise<WaitResult>((resolve, reject) => {
      const abort = () => {
        this.#waiters.delete(waiter);
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        condition,
        resolve: (value) => {
          signal?.removeEventListener('abort', abort);
          resolve(value);
        },
      };
      if (signal?.aborted) return reject(signal.reason);
      this.#waiters.add(waiter);
      signal?.addEventListener('abort', abort, { once: true });
    });
    // A client that hangs up may have stopped listening to the promise too.
    result.catch(() => undefined);
    return result;
  }

  /** The container has ended, or could not be started. */
  ended(result: WaitResult): void {
    this.#settle(result, (condition) => condition !== 'removed');
  }

  /** The container is gone: nothing is left to wait for. */
  removed(result: WaitResult): void {
    this.#settle(result, () => true);
  }

  #settle(result: WaitResult, matches: (condition: WaitCondition) => boolean): void {
    for (const waiter of this.#waiters) {
      if (!matches(waiter.condition)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(result);
    }
  }
}
