import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StorageFullError } from '../../errors.ts';

/** Makes folders whose names survive a power cut, and remembers which it has made. */
export class DurableFolders {
  readonly #known = new Map<string, Promise<void>>();

  /** Makes `path` (mode 0700) and its missing parents, down from the file system's root. */
  ensure(path: string): Promise<void> {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const made = this.#make(path);
    this.#known.set(path, made);
    made.catch(() => this.#known.delete(path));
    return made;
  }

  async #make(path: string): Promise<void> {
    const parent = dirname(path);
    const first = await mkdir(path, { recursive: true, mode: 0o700 });
    // Also when it existed: the process that created it may have been killed before this sync.
    await syncFolder(parent);
    for (let made = parent; first !== undefined && made.length >= first.length; made = dirname(made)) {
      await syncFolder(dirname(made));
    }
  }
}

/** Makes the names in a folder as durable as the content of synced files. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Reports whether the error means that the file or folder does not exist. */
export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}

/** Runs work on the device; a full device or a used-up quota becomes StorageFullError. */
export async function onDevice<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asStorageError(error);
  }
}

function asStorageError(error: unknown): unknown {
  const code = codeOf(error);
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  const what = code === 'ENOSPC' ? 'has no space left' : 'is over its quota';
  return new StorageFullError(`the storage device ${what}: free some space and try again`, { cause: error });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
