import koffi from 'koffi';
import { SystemCallError } from '../mount-library.ts';

/** The extended attributes of a file that is not a link's target: links are not followed (llistxattr(2), lgetxattr(2)). */
export interface Xattrs {
  /** Names and values, each character one byte; empty where the file system has none. Throws SystemCallError. */
  read(path: Buffer): ReadonlyMap<string, string>;
}

const NOTHING: ReadonlyMap<string, string> = new Map();
/** XATTR_LIST_MAX and XATTR_SIZE_MAX of Linux. */
const MAX_SIZE = 65536;

/** Binds the C library of this thread. */
export function loadXattrs(): Xattrs {
  const library = koffi.load(null);
  const llistxattr = library.func('llistxattr', 'long', ['uint8_t *', 'uint8_t *', 'size_t']);
  const lgetxattr = library.func('lgetxattr', 'long', ['uint8_t *', 'uint8_t *', 'uint8_t *', 'size_t']);
  const list = Buffer.alloc(MAX_SIZE);
  const value = Buffer.alloc(MAX_SIZE);
  const fail = (path: Buffer): undefined => {
    const error = new SystemCallError(`cannot read the attributes of ${path}`, koffi.errno());
    // Neither a file system without attributes nor one that went meanwhile (ENODATA) is a failure.
    if (error.code === 'ENOTSUP' || error.code === 'EOPNOTSUPP' || error.code === 'ENODATA') return undefined;
    throw error;
  };
  return {
    read: (path) => {
      const file = Buffer.concat([path, Buffer.alloc(1)]);
      const length = Number(llistxattr(file, list, MAX_SIZE));
      if (length < 0) fail(path);
      if (length <= 0) return NOTHING;
      const names = list.toString('latin1', 0, length - 1).split('\0');
      const found = new Map<string, string>();
      for (const name of names.sort()) {
        const size = Number(lgetxattr(file, Buffer.from(`${name}\0`, 'latin1'), value, MAX_SIZE));
        if (size < 0) fail(path);
        else found.set(name, value.toString('latin1', 0, size));
      }
      return found;
    },
  };
}
