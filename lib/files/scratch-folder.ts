import { existsSync } from 'node:fs';
import { lstat, mkdtemp, readdir, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FileLock, lockFile } from '../linux/file-lock.ts';

const LOCK = 'lock';
const MOST_TRIES = 10;

/** A private folder for temporary files; disposing deletes it. */
export interface ScratchFolder extends AsyncDisposable {
  readonly path: string;
}

/**
 * Makes a folder `PREFIX-…` in the folder for temporary files, mode 0700. Also deletes those of this user with the same prefix
 * whose process was killed. Throws the system's error.
 */
export async function makeScratchFolder(prefix: string): Promise<ScratchFolder> {
  await sweep(prefix);
  for (let tries = 1; ; tries += 1) {
    const path = await mkdtemp(join(tmpdir(), `${prefix}-`));
    // A sweep may see the folder before its lock.
    const lock = await unlessMissing(() => lockFile(join(path, LOCK), 'alone'));
    if (lock !== undefined && existsSync(join(path, LOCK))) {
      const remove = async () => {
        await rm(path, { recursive: true, force: true });
        lock.release();
      };
      return { path, [Symbol.asyncDispose]: remove };
    }
    lock?.release();
    if (tries === MOST_TRIES) throw new Error(`${path} was locked by another process`);
  }
}

async function sweep(prefix: string): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(`${prefix}-`)) continue;
    const path = join(tmpdir(), name);
    const lock = await unlessMissing(() => takeAbandoned(path));
    if (lock === undefined) continue;
    await rm(path, { recursive: true, force: true });
    lock.release();
  }
}

/** Others may put anything into the folder for temporary files: only this user's folders are opened. */
async function takeAbandoned(path: string): Promise<FileLock | undefined> {
  const status = await lstat(path);
  if (!status.isDirectory() || status.uid !== process.getuid?.()) return undefined;
  // One whose process was killed before it locked it.
  if ((await readdir(path)).length === 0) await rmdir(path);
  return lockFile(join(path, LOCK), 'alone', 'to read');
}

async function unlessMissing<Value>(work: () => Value | Promise<Value>): Promise<Value | undefined> {
  try {
    return await work();
  } catch (error) {
    if (['ENOENT', 'ENOTEMPTY'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
