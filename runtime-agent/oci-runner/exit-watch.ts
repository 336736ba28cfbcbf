import { type FSWatcher, watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';

const ID = /^[0-9a-f]{64}$/;
const RESCAN = 10_000;

/** The exit of a container as recorded by conmon. */
export interface ExitRecord {
  readonly exitCode: number;
  readonly finishedAt: Date;
}

/** Reads an exit file; undefined until conmon has written it. */
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
 * Watches the folder of exit files by inotify, and rescans it periodically in case an event was lost. Calls `onExit` for
 * each file, possibly more than once, and `onRescan` after each rescan.
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
    this.#watcher = watch(folder, { persistent: false }, (_, name) => this.#notify(name ?? ''));
    // The rescan continues without it.
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
    for (const name of names) this.#notify(name);
    this.#onRescan();
  }

  #notify(name: string): void {
    // conmon writes a temporary file and renames it, so a file with an ID's name is complete.
    if (ID.test(name)) this.#onExit(name);
  }
}
