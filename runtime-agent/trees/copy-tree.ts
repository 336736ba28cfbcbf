import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { TreeTars } from '../snapshots/diff/tree-tar.ts';
import { fillTree } from './fill-tree.ts';

/** The folder itself with its attributes, and everything in it. */
const ALL = [{ source: '', target: '.', recursive: true }];

/**
 * Copies a folder into the folder `target`, with modes, owners, links, devices and extended attributes. `source` is a
 * descriptor that stays the caller's. No link is followed on either side, whatever changes meanwhile. Throws EngineError.
 */
export async function copyTree(
  trees: TreeTars,
  source: number,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const folder = await open(target, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const tar = trees.read({ folder: source, members: ALL }, signal);
    const request = { root: folder.fd, folder: '', noOverwriteDirNonDir: false, includesFolder: true };
    await fillTree(request, tar, signal);
  } finally {
    await folder.close();
  }
}
