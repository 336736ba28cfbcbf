import { statfs } from 'node:fs/promises';

/** Room on a file system, in bytes. */
export interface FileSystemSpace {
  readonly size: number;
  /** What a user other than root may still write. */
  readonly free: number;
  readonly freeInodes: number;
}

/** Reads how much room the file system of a folder has. Rejects with the system's error. */
export async function fileSystemSpace(folder: string): Promise<FileSystemSpace> {
  const { bsize, blocks, bavail, ffree } = await statfs(folder);
  return { size: bsize * blocks, free: bsize * bavail, freeInodes: ffree };
}
