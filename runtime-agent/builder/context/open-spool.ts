import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** A file of its own without a name, in `directory`: nothing is left of it when it is closed, also by a kill. */
export async function openSpool(directory: string): Promise<FileHandle> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, randomUUID());
  const spool = await open(path, 'wx+', 0o600);
  try {
    await rm(path);
  } catch (error) {
    await spool.close();
    throw error;
  }
  return spool;
}
