import { closeSync, constants, openSync } from 'node:fs';
import type { Libc } from '../libc.ts';
import { SystemCallError } from '../mount-library.ts';

const TIOCSPTLCK = 0x40045431;
const TIOCGPTN = 0x80045430;

/** Both ends of a new terminal; the caller closes them. */
export interface PseudoTerminal {
  readonly master: number;
  readonly slave: number;
}

/** Makes a terminal of this host (ptmx(4)), which becomes nobody's controlling one. Throws SystemCallError. */
export function openPseudoTerminal(libc: Libc): PseudoTerminal {
  const flags = constants.O_RDWR | constants.O_NOCTTY;
  const master = openSync('/dev/ptmx', flags);
  try {
    const number = new Int32Array(1);
    const bytes = new Uint8Array(number.buffer);
    if (libc.ioctl(master, TIOCSPTLCK, bytes) !== 0 || libc.ioctl(master, TIOCGPTN, bytes) !== 0) {
      throw new SystemCallError('a terminal cannot be made', libc.errno());
    }
    return { master, slave: openSync(`/dev/pts/${number[0]}`, flags) };
  } catch (error) {
    closeSync(master);
    throw error;
  }
}
