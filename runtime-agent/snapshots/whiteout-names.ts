import { TarFormatError } from '../../lib/tar/tar-header.ts';

/** `.wh.NAME` deletes NAME of the layers below (image-spec, layer.md, "Whiteouts"). */
export const WHITEOUT_PREFIX = '.wh.';

/** Hides the whole lower content of its folder. */
export const OPAQUE_MARK = '.wh..wh..opq';

/** Prefix of AUFS's internal files; they are not part of a layer. */
const AUFS_PREFIX = '.wh..wh.';

/** The mark in a name: `note` is an internal file of AUFS. */
export type NameMark =
  | { readonly kind: 'whiteout'; readonly deleted: string }
  | { readonly kind: 'opaque' | 'note' };

/** Returns the mark of an entry's name; undefined for an ordinary name. Throws TarFormatError for a whiteout of no name. */
export function readMark(name: string): NameMark | undefined {
  if (!name.startsWith(WHITEOUT_PREFIX)) return undefined;
  if (name === OPAQUE_MARK) return { kind: 'opaque' };
  if (name.startsWith(AUFS_PREFIX)) return { kind: 'note' };
  const deleted = name.slice(WHITEOUT_PREFIX.length);
  if (deleted === '' || deleted === '.' || deleted === '..') {
    throw new TarFormatError(`it deletes ${JSON.stringify(deleted)}, which is not a name`);
  }
  return { kind: 'whiteout', deleted };
}
