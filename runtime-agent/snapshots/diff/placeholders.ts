import { type BigIntStats, closeSync } from 'node:fs';
import { namesIn, openFolderAt, statAt } from './tree-files.ts';

/** An open folder of an upper tree, and the lower folder that it covers. */
export interface Place {
  readonly fd: number;
  readonly base: number | undefined;
}

/**
 * Reports whether an entry of an upper folder is only a mount point: an empty file or folder at one of the paths
 * `leftOut`, or a folder with only such entries. A folder of the lower layers counts if nothing else of it changed.
 */
export function isPlaceholder(
  place: Place,
  name: string,
  path: string,
  leftOut: ReadonlySet<string>,
): boolean {
  if (!leftOut.has(path)) return false;
  const stat = statAt(place.fd, name);
  if (stat === undefined) return false;
  const below = place.base === undefined ? undefined : statAt(place.base, name);
  if (stat.isFile()) return stat.size === 0n && below === undefined;
  if (!stat.isDirectory()) return false;
  if (below !== undefined && !(below.isDirectory() && hasSameOwner(stat, below))) return false;
  const fd = openFolderAt(place.fd, name);
  if (fd === undefined) return false;
  const base = place.base === undefined ? undefined : openFolderAt(place.base, name);
  try {
    const names = namesIn(fd);
    if (below !== undefined && names.length === 0) return false;
    return names.every((inside) => isPlaceholder({ fd, base }, inside, `${path}/${inside}`, leftOut));
  } finally {
    closeSync(fd);
    if (base !== undefined) closeSync(base);
  }
}

/** Reports whether mode and owner are the same. */
export function hasSameOwner(a: BigIntStats, b: BigIntStats): boolean {
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid;
}
