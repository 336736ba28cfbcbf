import koffi from 'koffi';
import { SystemCallError } from '../mount-library.ts';

/** Reads the extended attributes of a file; links are not followed (llistxattr(2), lgetxattr(2)). */
export interface Xattrs {
  /**
   * Returns names and values, one character per byte; empty when the file system does not support them. Throws
   * SystemCallError.
   */
  read(path: Buffer): ReadonlyMap<string, string>;
}

const NOTHING: ReadonlyMap<string, string> = new Map();
/** XATTR_LIST_MAX and XATTR_SIZE_MAX of Linux. */
const MAX_SIZE = 65536;

/** Loads the C library for this thread. */
export function loadXattrs(): Xattrs {
  const library = koffi.load(null);
  const llistxattr = library.func('llistxattr', 'long', ['uint8_t *', 'uint8_t *', 'size_t']);
  const lgetxattr = library.func('lgetxattr', 'long', ['uint8_t *', 'uint8_t *', 'uint8_t *', 'size_t']);
  const list = Buffer.alloc(MAX_SIZE);
  const value = Buffer.alloc(MAX_SIZE);
  const fail = (path: Buffer): undefined => {
    const error = new SystemCallError(`cannot read the attributes of ${path}`, koffi.errno());
    // Not failures: a file system without attributes, and an attribute that was removed meanwhile (ENODATA).
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
