import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunPaths } from './run-paths.ts';

/** Whether conmon noted that the kernel killed a process of the container for want of memory. */
export async function wasOomKilled(paths: RunPaths): Promise<boolean> {
  const marks = await Promise.all([paths.oomMark, join(paths.persist, 'oom')].map(exists));
  return marks.includes(true);
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
