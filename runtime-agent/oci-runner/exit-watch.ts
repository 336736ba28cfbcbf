import { type FSWatcher, watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';

const ID = /^[0-9a-f]{64}$/;
const RESCAN = 10_000;

/** How a container ended, as conmon wrote it down. */
export interface ExitRecord {
  readonly exitCode: number;
  readonly finishedAt: Date;
}

/** Undefined while conmon has not written it. */
export async function readExitRecord(path: string): Promise<ExitRecord | undefined> {
  try {
    const [text, { mtime }] = await Promise.all([readFile(path, 'latin1'), stat(path)]);
    const exitCode = Number.parseInt(text, 10);
    return { exitCode: Number.isNaN(exitCode) ? 255 : exitCode, finishedAt: mtime };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Tells of every exit file in the folder: those that appear, by inotify, and now and then all that are there, in case an
 * event was lost. `onExit` may be called more than once for one container, `onRescan` after each look at all of them.
 */
export class ExitWatch {
  readonly #folder: string;
  readonly #onExit: (id: string) => void;
  readonly #onRescan: () => void;
  readonly #watcher: FSWatcher;
  readonly #timer: NodeJS.Timeout;

  constructor(folder: string, onExit: (id: string) => void, onRescan: () => void) {
    this.#folder = folder;
    this.#onExit = onExit;
    this.#onRescan = onRescan;
    this.#watcher = watch(folder, { persistent: false }, (_, name) => this.#tell(name ?? ''));
    // The rescan goes on without it.
    this.#watcher.on('error', () => this.#watcher.close());
    this.#timer = setInterval(() => void this.#rescan(), RESCAN);
    this.#timer.unref();
  }

  close(): void {
    this.#watcher.close();
    clearInterval(this.#timer);
  }

  async #rescan(): Promise<void> {
    const names = await readdir(this.#folder).catch(() => []);
    for (const name of names) this.#tell(name);
    this.#onRescan();
  }

  #tell(name: string): void {
    // conmon writes to a name of its own and renames, so a file with an ID's name is whole.
    if (ID.test(name)) this.#onExit(name);
  }
}
