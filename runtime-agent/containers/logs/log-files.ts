import { open, rename, rm } from 'node:fs/promises';
import { createGzip } from 'node:zlib';
import { LogFile, throughFile, unlessMissing } from './log-file.ts';

/**
 * Opens all files of a log, oldest first: `PATH.2`, `PATH.1`, `PATH`, compressed or not. A file that is renamed
 * meanwhile is not missed: going backwards from the newest, a file can only be met twice. Returns none if there is no
 * log.
 */
export async function openLogFiles(path: string): Promise<readonly LogFile[]> {
  const files: LogFile[] = [];
  try {
    for (let age = 0; ; age += 1) {
      const file = await LogFile.open(agedPath(path, age));
      if (file === undefined) {
        // During a rotation the newest file may be missing.
        if (age > 0) break;
      } else if (await isAmong(file, files)) await file.close();
      else files.push(file);
    }
  } catch (error) {
    await closeLogFiles(files);
    throw error;
  }
  return files.reverse();
}

export async function closeLogFiles(files: readonly LogFile[]): Promise<void> {
  await Promise.all(files.map((file) => file.close()));
}

/**
 * Makes room for a new file: increments the number of each file, and removes the oldest beyond `maxFiles`, which includes
 * the new one. The writer continues with `PATH.1` until it reopens the log.
 */
export async function rotateLogFiles(path: string, maxFiles: number): Promise<void> {
  const oldest = agedPath(path, maxFiles - 1);
  await rm(oldest, { force: true });
  await rm(`${oldest}.gz`, { force: true });
  for (let age = maxFiles - 2; age >= 0; age -= 1) {
    for (const ending of ['.gz', '']) {
      const from = `${agedPath(path, age)}${ending}`;
      await rename(from, `${agedPath(path, age + 1)}${ending}`).catch(unlessMissing);
    }
  }
}

/** Compresses the rotated files of a log: all but `PATH`, which must exist. */
export async function compressLogFiles(path: string, maxFiles: number): Promise<void> {
  for (let age = 1; age < maxFiles; age += 1) {
    const name = agedPath(path, age);
    const from = await open(name, 'r').catch(unlessMissing);
    if (from === undefined) continue;
    const begun = `${path}.compressing`;
    try {
      const to = await open(begun, 'w', 0o600);
      try {
        await throughFile(from, createGzip(), to);
        await to.sync();
      } finally {
        await to.close();
      }
    } finally {
      await from.close();
    }
    // A reader in between opens the uncompressed one.
    await rename(begun, `${name}.gz`);
    await rm(name);
  }
}

async function isAmong(file: LogFile, files: readonly LogFile[]): Promise<boolean> {
  for (const other of files) if (await file.isSameAs(other)) return true;
  return false;
}

function agedPath(path: string, age: number): string {
  return age === 0 ? path : `${path}.${age}`;
}
