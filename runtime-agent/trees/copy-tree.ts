import type { TreeTars } from '../snapshots/diff/tree-tar.ts';
import { fillTree } from './fill-tree.ts';

/** The folder itself with its attributes, and everything in it. */
const ALL = [{ source: '', target: '.', recursive: true }];

/**
 * Copies a folder into another, with modes, owners, links, devices and extended attributes. Both are descriptors owned
 * by the caller, as a path could change before it is opened. No link is followed on either side, whatever changes
 * meanwhile. Throws EngineError.
 */
export async function copyTree(
  trees: TreeTars,
  source: number,
  target: number,
  signal: AbortSignal,
): Promise<void> {
  const tar = trees.read({ folder: source, members: ALL }, signal);
  const request = { root: target, folder: '', noOverwriteDirNonDir: false, includesFolder: true };
  await fillTree(request, tar, signal);
}
