import type { WaitCondition, WaitResult } from './containers.ts';

/** A condition of a waiter; `cleared` means that the run has ended and is cleared. */
export type Moment = WaitCondition | 'cleared';

interface Waiter {
  readonly moment: Moment;
  readonly resolve: (result: WaitResult) => void;
}

/** The waiters of a container. */
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
    // A client that disconnects may ignore the promise.
    result.catch(() => undefined);
    return result;
  }

  /** Notifies waiters that the container has exited or could not be started. */
  ended(result: WaitResult): void {
    this.#settle(result, (moment) => moment === 'not-running' || moment === 'next-exit');
  }

  /** Notifies waiters that the run is cleared. */
  cleared(result: WaitResult): void {
    this.#settle(result, (moment) => moment === 'cleared');
  }

  /** Notifies all waiters that the container has been removed. */
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

/**
 * Reports whether the promise settles within `limit` milliseconds; undefined means no limit. Rejects if the promise
 * rejects first.
 */
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
