/** Runs the same work only once for several concurrent callers; aborts it when the last caller has left. */
export class SingleFlight<Key, Step> {
  readonly #running = new Map<Key, Running<Step>>();

  /**
   * Joins the work for `key`, or begins it. `report` gets the latest step and all later ones. Rejects as the work does,
   * or with the signal's reason when that aborts; the work continues for other callers.
   */
  async join(
    key: Key,
    signal: AbortSignal,
    report: (step: Step) => void,
    begin: (signal: AbortSignal, report: (step: Step) => void) => Promise<void>,
  ): Promise<void> {
    signal.throwIfAborted();
    let running = this.#running.get(key);
    if (running === undefined || running.controller.signal.aborted) {
      running = this.#begin(key, begin);
    }
    const { listeners, controller, done } = running;
    listeners.add(report);
    if (running.last !== undefined) report(running.last);
    const left = Promise.withResolvers<never>();
    const leave = () => left.reject(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
    try {
      await Promise.race([done, left.promise]);
    } finally {
      signal.removeEventListener('abort', leave);
      listeners.delete(report);
      if (signal.aborted && listeners.size === 0) {
        controller.abort(signal.reason);
        // The caller may start again at once, so wait for the clean-up.
        await done.catch(() => undefined);
      }
    }
  }

  #begin(
    key: Key,
    begin: (signal: AbortSignal, report: (step: Step) => void) => Promise<void>,
  ): Running<Step> {
    const controller = new AbortController();
    const listeners = new Set<(step: Step) => void>();
    const report = (step: Step) => {
      running.last = step;
      for (const listener of listeners) listener(step);
    };
    const work = async () => {
      try {
        await begin(controller.signal, report);
      } finally {
        if (this.#running.get(key) === running) this.#running.delete(key);
      }
    };
    const running: Running<Step> = { controller, listeners, last: undefined, done: Promise.resolve() };
    this.#running.set(key, running);
    running.done = work();
    // Each caller gets the failure from its own wait.
    running.done.catch(() => undefined);
    return running;
  }
}

interface Running<Step> {
  readonly controller: AbortController;
  readonly listeners: Set<(step: Step) => void>;
  last: Step | undefined;
  done: Promise<void>;
}
