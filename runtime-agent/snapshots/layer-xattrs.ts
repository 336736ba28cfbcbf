import { quoteName, TarFormatError } from '../../lib/tar/tar-header.ts';
import type { TarEntry } from '../../lib/tar/tar-parser.ts';

/** XATTR_NAME_MAX and XATTR_LIST_MAX of Linux, and the largest value that an index can hold. */
const MAX_NAME = 255;
const MAX_LIST = 65_536;
const MAX_VALUE = 65_535;
const MAX_TOGETHER = 128 << 10;

const NAMESPACES = ['user.', 'trusted.', 'security.'];
const DEFAULT_ACL = 'system.posix_acl_default';
const ACLS: ReadonlySet<string> = new Set(['system.posix_acl_access', DEFAULT_ACL]);
/** Attributes with this prefix belong to overlay: only whiteout entries may create them. */
const OVERLAY = 'trusted.overlay.';

/**
 * Returns the extended attributes of an entry: without those that Linux cannot store, which other readers also ignore,
 * and without those that overlay would interpret. Throws TarFormatError for more than Linux can store.
 */
export function keptXattrs({ path, kind, xattrs }: TarEntry): ReadonlyMap<string, string> {
  if (xattrs.size === 0) return xattrs;
  const isFolder = kind === 'folder' || kind === 'old-folder';
  const takesUserNames = isFolder || kind === 'file';
  const kept = [...xattrs].filter(
    ([name]) =>
      (ACLS.has(name) || NAMESPACES.some((prefix) => name.startsWith(prefix) && name !== prefix)) &&
      !name.startsWith(OVERLAY) &&
      !(kind === 'symlink' && ACLS.has(name)) &&
      !(!isFolder && name === DEFAULT_ACL) &&
      (takesUserNames || !name.startsWith('user.')),
  );
  let list = 0;
  let together = 0;
  for (const [name, value] of kept) {
    list += name.length + 1;
    together += name.length + value.length;
    if (name.length > MAX_NAME || value.length > MAX_VALUE) throw tooMany(path);
    if (ACLS.has(name) && !isAcl(value))
      throw new TarFormatError(`${quoteName(path)} has an invalid ${name}`);
  }
  if (list > MAX_LIST || together > MAX_TOGETHER) throw tooMany(path);
  return new Map(kept);
}

export function tooMany(path: string): TarFormatError {
  return new TarFormatError(`${quoteName(path)} has more or longer extended attributes than can be stored`);
}

/** Checks the format of posix_acl_xattr.h: version 2, then entries of 8 bytes. */
function isAcl(value: string): boolean {
  return value.startsWith('\x02\0\0\0') && (value.length - 4) % 8 === 0;
}
