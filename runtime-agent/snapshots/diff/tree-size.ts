import { closeSync, constants, openSync } from 'node:fs';
import { namesIn, openFolderAt, statAt } from './tree-files.ts';

/** Maximum depth: deeper folders are unreachable by a path, and do not count. */
const MAX_DEPTH = 2_048;

/**
 * Returns the bytes of the files of a tree, and of the targets of its symlinks; a file with two names counts once. No
 * link is followed.
 */
export function treeSize(folder: string): number {
  const seen = new Set<string>();
  const visit = (fd: number, depth: number): number => {
    let bytes = 0;
    for (const name of namesIn(fd)) {
      const stat = statAt(fd, name);
      if (stat === undefined) continue;
      if (stat.isDirectory()) {
        const inside = depth < MAX_DEPTH ? openFolderAt(fd, name) : undefined;
        if (inside === undefined) continue;
        try {
          bytes += visit(inside, depth + 1);
        } finally {
          closeSync(inside);
        }
        continue;
      }
      if (stat.nlink > 1n) {
        const inode = `${stat.dev}:${stat.ino}`;
        if (seen.has(inode)) continue;
        seen.add(inode);
      }
      if (stat.isFile() || stat.isSymbolicLink()) bytes += Number(stat.size);
    }
    return bytes;
  };
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return visit(fd, 0);
  } finally {
    closeSync(fd);
  }
}
