import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { makePrivateFileSync } from '../../../lib/files/private-file.ts';
import { lockFile } from '../../../lib/linux/file-lock.ts';
import type { UploadLocks } from '../blob-driver.ts';

/**
 * Locks of uploads for processes that share a folder: a file in `locks/` for each upload that somebody writes to.
 * Whoever was killed holds none.
 */
export class FileUploadLocks implements UploadLocks {
  readonly #folder: string;

  /** `data` is the folder of the blobs. */
  constructor(data: string) {
    this.#folder = join(data, 'locks');
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  async take(id: string): Promise<(() => Promise<void>) | undefined> {
    const file = join(this.#folder, id);
    for (;;) {
      makePrivateFileSync(file);
      const before = identityOf(file);
      const lock = lockFile(file, 'alone');
      if (lock === undefined) return undefined;
      // The one before may have removed the file after it was opened here: then this is no lock of what others open.
      if (before !== undefined && before === identityOf(file)) {
        return async () => {
          rmSync(file, { force: true });
          lock.release();
        };
      }
      lock.release();
    }
  }
}

function identityOf(file: string): string | undefined {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stat && `${stat.ino} ${stat.birthtimeNs}`;
}
