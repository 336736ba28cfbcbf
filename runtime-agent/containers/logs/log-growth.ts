import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Milliseconds between checks of a follower without an event, in case one was lost. */
const RECHECK = 2_000;

/** Wakes a follower when the log at `path` has grown or was rotated, or the container has ended. */
export class LogGrowth {
  hasEnded = false;
  #grown = false;
  #wake: (() => void) | undefined;
  readonly #watcher: FSWatcher;
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal;
  readonly #onAbort = () => this.#notify();

  /** Returns undefined if the log has no folder. */
  static at(path: string, ended: Promise<unknown>, signal: AbortSignal): LogGrowth | undefined {
    try {
      return new LogGrowth(path, ended, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  private constructor(path: string, ended: Promise<unknown>, signal: AbortSignal) {
    const name = basename(path);
    // Watches the folder, because the log is another file after each rotation.
    this.#watcher = watch(dirname(path), { persistent: false }, (_, changed) => {
      if (changed === null || changed === name) this.#notify();
    });
    this.#watcher.on('error', () => this.#watcher.close());
    this.#timer = setInterval(() => this.#notify(), RECHECK);
    this.#timer.unref();
    this.#signal = signal;
    signal.addEventListener('abort', this.#onAbort, { once: true });
    const end = () => {
      this.hasEnded = true;
      this.#notify();
    };
    ended.then(end, end);
  }

  async next(): Promise<void> {
    if (!this.#grown) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#grown = false;
    this.#wake = undefined;
  }

  close(): void {
    this.#watcher.close();
    clearInterval(this.#timer);
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  #notify(): void {
    this.#grown = true;
    this.#wake?.();
  }
}
