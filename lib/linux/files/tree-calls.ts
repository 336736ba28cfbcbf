import koffi from 'koffi';
import { checkResult } from '../mount-library.ts';

/** System calls that unpacking needs and Node lacks. Paths are bytes. Each throws SystemCallError. */
export interface TreeCalls {
  /** chroot(2) and chdir(2). */
  enterRoot(folder: string): void;
  makeNode(path: Buffer, mode: number, major: number, minor: number): void;
  /** lsetxattr(2) */
  setXattr(path: Buffer, name: Buffer, value: Buffer): void;
  /** lremovexattr(2). A missing attribute is not an error. */
  removeXattr(path: Buffer, name: Buffer): void;
  /** fsetxattr(2) */
  setDescriptorXattr(fd: number, name: Buffer, value: Buffer): void;
}

/** ENODATA, and EOPNOTSUPP of file systems without these attributes. */
const ABSENT: ReadonlySet<number> = new Set([61, 95]);

/** Loads the C library for this process. */
export function loadTreeCalls(): TreeCalls {
  const library = koffi.load(null);
  const chroot = library.func('int chroot(const char *path)');
  const mknod = library.func('mknod', 'int', ['uint8_t *', 'uint', 'ulong']);
  const lsetxattr = library.func('lsetxattr', 'int', [
    'uint8_t *',
    'uint8_t *',
    'uint8_t *',
    'size_t',
    'int',
  ]);
  const fsetxattr = library.func('fsetxattr', 'int', ['int', 'uint8_t *', 'uint8_t *', 'size_t', 'int']);
  const lremovexattr = library.func('lremovexattr', 'int', ['uint8_t *', 'uint8_t *']);
  return {
    enterRoot: (folder) => {
      checkResult(`cannot enter ${folder}`, chroot(folder));
      process.chdir('/');
    },
    makeNode: (path, mode, major, minor) => {
      checkResult(`cannot make ${path}`, mknod(terminated(path), mode, deviceNumber(major, minor)));
    },
    setXattr: (path, name, value) => {
      const result = lsetxattr(terminated(path), terminated(name), value, value.length, 0);
      checkResult(`cannot set ${name} of ${path}`, result);
    },
    removeXattr: (path, name) => {
      const result = lremovexattr(terminated(path), terminated(name));
      if (result < 0 && ABSENT.has(koffi.errno())) return;
      checkResult(`cannot remove ${name} of ${path}`, result);
    },
    setDescriptorXattr: (fd, name, value) => {
      const result = fsetxattr(fd, terminated(name), value, value.length, 0);
      checkResult(`cannot set ${name}`, result);
    },
  };
}

function terminated(text: Buffer): Buffer {
  return Buffer.concat([text, Buffer.alloc(1)]);
}

/** makedev(3) with the kernel's 12 and 20 bits. */
function deviceNumber(major: number, minor: number): number {
  return ((major & 0xfff) << 8) | (minor & 0xff) | ((minor & 0xfff00) << 12);
}
