import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import koffi from 'koffi';

type MountCall = (
  source: string | null,
  target: string,
  type: string | null,
  flags: number,
  data: string | null,
) => number;
type Asynchronous<T extends (...args: never[]) => number> = T & {
  readonly async: (...args: [...Parameters<T>, (error: Error | null, result: number) => void]) => void;
};

/** The system calls of mount(2) and its new interface. Each returns -1 and sets errno on failure. */
export interface MountLibrary {
  readonly mount: Asynchronous<MountCall>;
  readonly umount2: Asynchronous<(target: string, flags: number) => number>;
  /** move_mount(2), by number: the C library of old systems lacks it. */
  readonly moveMount: Asynchronous<
    (
      number: number,
      fromFolder: number,
      fromPath: string,
      toFolder: number,
      toPath: string,
      flags: number,
    ) => number
  >;
  /** mount_setattr(2), by number; `attributes` is its struct mount_attr. */
  readonly setAttributes: Asynchronous<
    (
      number: number,
      folder: number,
      path: string,
      flags: number,
      attributes: Uint8Array,
      size: number,
    ) => number
  >;
  /** Absent where the C library is older than glibc 2.36. */
  readonly contexts?: {
    readonly fsopen: (type: string, flags: number) => number;
    readonly fsconfig: Asynchronous<
      (context: number, command: number, key: string | null, value: string | null, aux: number) => number
    >;
    readonly fsmount: (context: number, flags: number, attributes: number) => number;
    readonly moveMount: (
      fromFolder: number,
      fromPath: string,
      toFolder: number,
      toPath: string,
      flags: number,
    ) => number;
  };
}

/** A system call failed. `code` is its errno by name (`ENOENT`), so that callers can tell absence from damage. */
export class SystemCallError extends Error {
  readonly code: string;
  /** The C library's message for the errno. */
  readonly reason: string;
  constructor(what: string, errno: number, detail = '') {
    const code = getSystemErrorName(-errno);
    const reason = getSystemErrorMessage(-errno);
    super(`${what}: ${reason}${detail === '' ? '' : ` (${detail})`}`);
    this.name = 'SystemCallError';
    this.code = code;
    this.reason = reason;
  }
}

let library: MountLibrary | undefined;

/** Loads the library at the first use, so that importing this file needs neither Linux nor koffi's binary. */
export function mountLibrary(): MountLibrary {
  library ??= loadLibrary();
  return library;
}

/** Throws SystemCallError when a call on this thread returned -1. */
export function checkResult(what: string, result: number): number {
  if (result < 0) throw new SystemCallError(what, koffi.errno());
  return result;
}

/** Runs a call that may block in the thread pool. Throws SystemCallError. */
export function callInThread<A extends unknown[]>(
  what: string,
  call: { readonly async: (...args: [...A, (error: Error | null, result: number) => void]) => void },
  ...args: A
): Promise<number> {
  return new Promise((resolve, reject) => {
    call.async(...args, (error, result) => {
      if (error !== null) reject(error);
      else if (result < 0) reject(new SystemCallError(what, koffi.errno()));
      else resolve(result);
    });
  });
}

function loadLibrary(): MountLibrary {
  const c = koffi.load(null);
  const mount = c.func('mount', 'int', ['str', 'str', 'str', 'ulong', 'str']) as MountLibrary['mount'];
  const umount2 = c.func('umount2', 'int', ['str', 'int']) as MountLibrary['umount2'];
  const moveMount = c.func('syscall', 'long', ['long', 'int', 'str', 'int', 'str', 'uint']);
  const setAttributes = c.func('syscall', 'long', ['long', 'int', 'str', 'uint', 'uint8_t *', 'size_t']);
  const plain = {
    mount,
    umount2,
    moveMount: moveMount as MountLibrary['moveMount'],
    setAttributes: setAttributes as MountLibrary['setAttributes'],
  };
  try {
    return {
      ...plain,
      contexts: {
        fsopen: c.func('fsopen', 'int', ['str', 'uint']),
        fsconfig: c.func('fsconfig', 'int', ['int', 'uint', 'str', 'str', 'int']),
        fsmount: c.func('fsmount', 'int', ['int', 'uint', 'uint']),
        moveMount: c.func('move_mount', 'int', ['int', 'str', 'int', 'str', 'uint']),
      } as NonNullable<MountLibrary['contexts']>,
    };
  } catch {
    return plain;
  }
}
