import { statfs } from 'node:fs/promises';

/** Space on a file system, in bytes. */
export interface FileSystemSpace {
  readonly size: number;
  /** Bytes that a user other than root may still write. */
  readonly free: number;
  readonly freeInodes: number;
}

/** Reads the space on the file system of a folder. Rejects with the system's error. */
export async function fileSystemSpace(folder: string): Promise<FileSystemSpace> {
  const { bsize, blocks, bavail, ffree } = await statfs(folder);
  return { size: bsize * blocks, free: bsize * bavail, freeInodes: ffree };
}
