import { mkdir, open, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writePrivateFile } from '../../../../lib/files/private-file.ts';
import { isMissing } from '../device-errors.ts';
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

  /**
   * Writes a blob that may be there already: into its file where that has the right length, which takes no space, and
   * otherwise as `place` does. The kernel then stores it, whether or not it had failed to.
   */
  async restore(record: JournalRecord): Promise<void> {
    const target = blobPath(this.#root, record.location);
    if ((await sizeOf(target)) !== record.content.byteLength) return this.place(record);
    const file = await open(target, 'r+');
    try {
      await file.writeFile(record.content);
    } finally {
      await file.close();
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

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
