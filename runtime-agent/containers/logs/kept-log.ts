import { type FSWatcher, watch } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Logger } from 'pino';
import { fileSize } from '../../../lib/linux/files/file-size.ts';
import { sendToMonitor } from '../../oci-runner/conmon.ts';
import type { LogPlan } from '../plan/log-options.ts';
import { compressLogFiles, rotateLogFiles } from './log-files.ts';

/** Minimum milliseconds between checks of a log that grows fast. */
const PAUSE = 20;
/** conmon's command to reopen its log. */
const REOPEN = '2 0 0';

export type RotatedLog = Extract<LogPlan, { kind: 'files' }> & { readonly maxSize: number };

export interface KeptLogOptions {
  readonly containerId: string;
  readonly path: string;
  /** conmon's control FIFO. */
  readonly control: string;
  readonly plan: RotatedLog;
  readonly log: Logger;
  /** Runs work while the container cannot be removed. */
  readonly exclusively: (work: () => Promise<void>) => Promise<void>;
}

/** The log of a running container. Rotates it when it is full, and compresses the files that conmon no longer writes. */
export class KeptLog {
  readonly #options: KeptLogOptions;
  readonly #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #working = false;
  /** Whether the log has changed since the current check began. */
  #hasChanged = false;
  #hasEnded = false;
  /** Whether there may be files to compress: at the start, and after each rotation. */
  #hasPlain: boolean;
  /** Whether conmon has yet to reopen the log; a second command would lose output in between. */
  #isReopening = false;
  #mayFinish = true;

  constructor(options: KeptLogOptions) {
    this.#options = options;
    this.#hasPlain = options.plan.compress;
    this.#watcher = this.#watch();
    this.#look();
  }

  /** Stops the checks; conmon continues. */
  close(): void {
    this.#hasEnded = true;
    this.#mayFinish = false;
    this.#watcher?.close();
    clearTimeout(this.#timer);
  }

  /** Finishes rotation and compression after the container has exited. */
  end(): void {
    this.#hasEnded = true;
    this.#watcher?.close();
    clearTimeout(this.#timer);
    if (!this.#working) void this.#work();
  }

  async #work(): Promise<void> {
    this.#working = true;
    await this.#options.exclusively(() => this.#workLocked());
  }

  #watch(): FSWatcher | undefined {
    const { path, containerId, log } = this.#options;
    const name = basename(path);
    try {
      const watcher = watch(dirname(path), { persistent: false }, (_, changed) => {
        if (changed === name) this.#look();
      });
      watcher.on('error', () => watcher.close());
      return watcher;
    } catch (error) {
      log.warn(
        { container: containerId, err: error },
        'a log cannot be watched; only conmon limits its size',
      );
      return undefined;
    }
  }

  #look(): void {
    if (this.#hasEnded) return;
    this.#hasChanged = true;
    this.#timer ??= setTimeout(() => void this.#work(), PAUSE).unref();
  }

  async #workLocked(): Promise<void> {
    const { path, plan, containerId, log } = this.#options;
    this.#hasChanged = false;
    try {
      if (this.#hasEnded) await this.#finish();
      else if (await this.#rotate()) this.#hasPlain = plan.compress;
      else if (this.#hasPlain && !this.#isReopening) {
        this.#hasPlain = false;
        await compressLogFiles(path, plan.maxFiles);
      }
    } catch (error) {
      // Removing a container removes its log.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        log.error({ container: containerId, err: error }, 'the log of a container could not be rotated');
      }
    }
    this.#working = false;
    this.#timer = undefined;
    if (this.#hasChanged) this.#look();
    if (this.#hasEnded && this.#mayFinish) await this.#workLocked();
  }

  /** Finishes a rotation after conmon has ended: it may have left a renamed log without a new one. */
  async #finish(): Promise<void> {
    const { path, plan } = this.#options;
    this.#mayFinish = false;
    await (await open(path, 'a', 0o600)).close();
    if (this.#hasPlain) await compressLogFiles(path, plan.maxFiles);
  }

  async #rotate(): Promise<boolean> {
    const { path, control, plan } = this.#options;
    const size = await fileSize(path);
    // An agent that was killed between the two steps has left a renamed log.
    if (size !== undefined) this.#isReopening = false;
    if (this.#isReopening || (size !== undefined && size < plan.maxSize)) return false;
    if (size !== undefined) await rotateLogFiles(path, plan.maxFiles);
    this.#isReopening = await sendToMonitor(control, REOPEN);
    return true;
  }
}
