import { type BigIntStats, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Whether a path is a folder or lies below it, whatever symbolic links and mounts lead there. Of the path the last
 * folders need not exist.
 */
export function isWithin(path: string, folder: string): boolean {
  const outer = statusOf(folder);
  if (outer === undefined) return `${path}/`.startsWith(`${folder}/`);
  for (let current = realPath(path); ; current = dirname(current)) {
    const status = statusOf(current);
    if (status?.dev === outer.dev && status.ino === outer.ino) return true;
    if (dirname(current) === current) return false;
  }
}

function statusOf(path: string): BigIntStats | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false });
}

/** The path without symbolic links, as far as it exists. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (dirname(path) === path) throw error;
    return join(realPath(dirname(path)), basename(path));
  }
}
