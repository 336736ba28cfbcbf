import type { WaitCondition, WaitResult } from './containers.ts';

/** What can be waited for; `cleared`: the run has ended, and is cleared up. */
export type Moment = WaitCondition | 'cleared';

interface Waiter {
  readonly moment: Moment;
  readonly resolve: (result: WaitResult) => void;
}

/** Who waits for a container. */
export class Waiters {
  readonly #waiters = new Set<Waiter>();

  /** Rejects with the signal's reason when that aborts first. */
  add(moment: Moment, signal?: AbortSignal): Promise<WaitResult> {
    const result = new Promise<WaitResult>((resolve, reject) => {
      const abort = () => {
        this.#waiters.delete(waiter);
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        moment,
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
    this.#settle(result, (moment) => moment === 'not-running' || moment === 'next-exit');
  }

  /** What the run has left behind is gone. */
  cleared(result: WaitResult): void {
    this.#settle(result, (moment) => moment === 'cleared');
  }

  /** The container is gone: nothing is left to wait for. */
  removed(result: WaitResult): void {
    this.#settle(result, () => true);
  }

  #settle(result: WaitResult, matches: (moment: Moment) => boolean): void {
    for (const waiter of this.#waiters) {
      if (!matches(waiter.moment)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(result);
    }
  }
}

/** Whether it settles before `limit` milliseconds have gone; undefined waits for ever. Rejects as the promise does before that. */
export async function settlesWithin(promise: Promise<unknown>, limit: number | undefined): Promise<boolean> {
  if (limit === undefined) {
    await promise;
    return true;
  }
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), limit);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
