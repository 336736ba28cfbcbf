import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes folders whose names survive a power cut, and remembers which it has made. */
export class DurableFolders {
  readonly #known = new Map<string, Promise<void>>();

  /** Makes `path` (mode 0700) and what lacks above it, down from the file system's root. */
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
    // Also when it was there: whoever made it may have been killed before the line below.
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
