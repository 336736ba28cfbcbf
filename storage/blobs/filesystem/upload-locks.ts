import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { makePrivateFileSync } from '../../../lib/files/private-file.ts';
import { lockFile } from '../../../lib/linux/file-lock.ts';
import type { UploadLocks } from '../blob-driver.ts';

/**
 * Locks of uploads for processes that share a folder: a file in `locks/` for each upload in progress. A killed process
 * releases its locks.
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
      // The previous holder may have removed the file after it was opened here: then others would lock another file.
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
