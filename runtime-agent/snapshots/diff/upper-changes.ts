import { type BigIntStats, closeSync, constants, openSync } from 'node:fs';
import type { Xattrs } from '../../../lib/linux/files/xattrs.ts';
import { isOpaque, isWhiteout } from './overlay-marks.ts';
import { hasSameOwner, isPlaceholder, type Place } from './placeholders.ts';
import { namesIn, openFolderAt, statAt, xattrsAt } from './tree-files.ts';
import type { UpperChange, UpperRequest } from './tree-tar.ts';

/** Returns the changes of an overlay's upper folder, sorted, in the calling thread. See TreeTars.changes. */
export function upperChanges(request: UpperRequest, xattrs: Xattrs): readonly UpperChange[] {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY;
  const finder = new Finder(xattrs, new Set(request.leftOut ?? []));
  const fd = openSync(request.upper, flags);
  try {
    const base = openSync(request.base, flags);
    try {
      finder.visit({ fd, base }, '');
    } finally {
      closeSync(base);
    }
  } finally {
    closeSync(fd);
  }
  return finder.changes.sort((a, b) => (a.path < b.path ? -1 : 1));
}

class Finder {
  readonly changes: UpperChange[] = [];
  readonly #xattrs: Xattrs;
  readonly #leftOut: ReadonlySet<string>;

  constructor(xattrs: Xattrs, leftOut: ReadonlySet<string>) {
    this.#xattrs = xattrs;
    this.#leftOut = leftOut;
  }

  visit(place: Place, folder: string): void {
    for (const name of namesIn(place.fd)) {
      const path = folder === '' ? name : `${folder}/${name}`;
      const stat = statAt(place.fd, name);
      if (stat === undefined || isPlaceholder(place, name, path, this.#leftOut)) continue;
      const below = place.base === undefined ? undefined : statAt(place.base, name);
      const marks = xattrsAt(this.#xattrs, place.fd, name);
      if (marks === undefined) continue;
      if (isWhiteout(stat, marks)) {
        if (below !== undefined) this.#note(path, 'deleted');
      } else if (stat.isDirectory())
        this.#folder(place, name, path, { stat, below, opaque: isOpaque(marks) });
      else this.#note(path, below === undefined ? 'added' : 'modified');
    }
  }

  #folder(
    place: Place,
    name: string,
    path: string,
    folder: { readonly stat: BigIntStats; readonly below: BigIntStats | undefined; readonly opaque: boolean },
  ): void {
    const { stat, below, opaque } = folder;
    if (below === undefined) this.#note(path, 'added');
    else if (
      !below.isDirectory() ||
      opaque ||
      !hasSameOwner(stat, below) ||
      stat.mtimeNs / SECOND !== below.mtimeNs / SECOND
    ) {
      this.#note(path, 'modified');
    }
    const fd = openFolderAt(place.fd, name);
    if (fd === undefined) return;
    const base = place.base === undefined ? undefined : openFolderAt(place.base, name);
    try {
      this.visit({ fd, base }, path);
      if (opaque && base !== undefined) {
        for (const gone of namesIn(base)) {
          if (statAt(fd, gone) === undefined) this.#note(`${path}/${gone}`, 'deleted');
        }
      }
    } finally {
      closeSync(fd);
      if (base !== undefined) closeSync(base);
    }
  }

  #note(path: string, kind: UpperChange['kind']): void {
    this.changes.push({ path: `/${Buffer.from(path, 'latin1').toString('utf8')}`, kind });
  }
}

/** Layers store whole seconds. */
const SECOND = 1_000_000_000n;
