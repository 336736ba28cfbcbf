import { type FileHandle, open, rename, rm } from 'node:fs/promises';

/** One file of a log that is kept in several. */
export interface LogFile {
  readonly handle: FileHandle;
  /** Tells the file whatever it is called by now. */
  readonly inode: number;
}

/**
 * Opens all files of a log, the oldest first: `PATH.2`, `PATH.1`, `PATH`. One that is renamed meanwhile is not missed: from
 * the newest backwards a file can only be met twice. None where there is no log.
 */
export async function openLogFiles(path: string): Promise<readonly LogFile[]> {
  const files: LogFile[] = [];
  try {
    for (let age = 0; ; age += 1) {
      const file = await openLogFile(agedPath(path, age));
      if (file === undefined) {
        // While a log is rotated there may be none of the newest name.
        if (age > 0) break;
      } else if (files.some(({ inode }) => inode === file.inode)) await file.handle.close();
      else files.push(file);
    }
  } catch (error) {
    await closeLogFiles(files);
    throw error;
  }
  return files.reverse();
}

export async function closeLogFiles(files: readonly LogFile[]): Promise<void> {
  await Promise.all(files.map(({ handle }) => handle.close()));
}

/**
 * Makes room for a new file: each gets a number one higher, and of `maxFiles` in all, the one to come included, the oldest go.
 * Who writes the log goes on writing to `PATH.1` until told to open it again.
 */
export async function rotateLogFiles(path: string, maxFiles: number): Promise<void> {
  await rm(agedPath(path, maxFiles - 1), { force: true });
  for (let age = maxFiles - 2; age >= 0; age -= 1) {
    await rename(agedPath(path, age), agedPath(path, age + 1)).catch(unlessMissing);
  }
}

async function openLogFile(path: string): Promise<LogFile | undefined> {
  const handle = await open(path, 'r').catch(unlessMissing);
  if (handle === undefined) return undefined;
  try {
    return { handle, inode: (await handle.stat()).ino };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function agedPath(path: string, age: number): string {
  return age === 0 ? path : `${path}.${age}`;
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}
