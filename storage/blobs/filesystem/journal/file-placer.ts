import { mkdir, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writePrivateFile } from '../../../../lib/files/private-file.ts';
import { blobPath, nameAtLocation, uploadPath } from '../layout.ts';
import type { JournalRecord } from './journal-records.ts';

/** Puts small blobs where they belong below a driver's root. Nothing of it is durable until the file system is synced. */
export class FilePlacer {
  readonly #root: string;
  readonly #folders = new Map<string, Promise<unknown>>();

  constructor(root: string) {
    this.#root = root;
  }

  /** In one atomic step. Leaves nothing behind when it fails. */
  async place({ location, content }: JournalRecord): Promise<void> {
    const target = blobPath(this.#root, location);
    const source = uploadPath(this.#root, nameAtLocation(location)?.uploadId ?? '');
    try {
      await writePrivateFile(source, content);
      await this.#ensureFolder(dirname(target));
      await rename(source, target);
    } catch (error) {
      await unlink(source).catch(() => {});
      throw error;
    }
  }

  #ensureFolder(path: string): Promise<unknown> {
    const known = this.#folders.get(path);
    if (known !== undefined) return known;
    const made = mkdir(path, { recursive: true, mode: 0o700 });
    this.#folders.set(path, made);
    made.catch(() => this.#folders.delete(path));
    return made;
  }
}
