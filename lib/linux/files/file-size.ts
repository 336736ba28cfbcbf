import { stat } from 'node:fs/promises';

/** Returns the size of a file in bytes; undefined when it does not exist. */
export async function fileSize(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Converts seconds since 1970 for Node's utimes(2), which replaces a negative number, but not a Date, with the present.
 */
export function fileTime(seconds: number): number | Date {
  return seconds < 0 ? new Date(seconds * 1000) : seconds;
}
