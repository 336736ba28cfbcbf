import { closeSync, constants, openSync } from 'node:fs';
import type { Libc } from '../libc.ts';
import { SystemCallError } from '../mount-library.ts';

const TIOCSPTLCK = 0x40045431;
const TIOCGPTN = 0x80045430;
const TCGETS = 0x5401;
const TCSETS = 0x5402;
/** Bytes of the kernel's `struct termios`: four flag words, the line discipline and 19 control characters. */
const TERMIOS_SIZE = 36;
/** Flags that cfmakeraw(3) clears: of input and local modes. */
const COOKED_INPUT = 0o2753;
const COOKED_LOCAL = 0o100113;

/** Both ends of a new terminal; the caller closes them. */
export interface PseudoTerminal {
  readonly master: number;
  readonly slave: number;
}

/**
 * Makes a terminal of this host (ptmx(4)), which becomes nobody's controlling one. Its input passes unchanged and is not echoed;
 * line feeds of its output get a carriage return. Throws SystemCallError.
 */
export function openPseudoTerminal(libc: Libc): PseudoTerminal {
  const flags = constants.O_RDWR | constants.O_NOCTTY;
  const master = openSync('/dev/ptmx', flags);
  try {
    const number = new Int32Array(1);
    const bytes = new Uint8Array(number.buffer);
    if (libc.ioctl(master, TIOCSPTLCK, bytes) !== 0 || libc.ioctl(master, TIOCGPTN, bytes) !== 0) {
      throw new SystemCallError('a terminal cannot be made', libc.errno());
    }
    makeInputRaw(libc, master);
    return { master, slave: openSync(`/dev/pts/${number[0]}`, flags) };
  } catch (error) {
    closeSync(master);
    throw error;
  }
}

function makeInputRaw(libc: Libc, master: number): void {
  const bytes = new Uint8Array(TERMIOS_SIZE);
  const failure = () => new SystemCallError('a terminal cannot be made raw', libc.errno());
  if (libc.ioctl(master, TCGETS, bytes) !== 0) throw failure();
  const [input = 0, output = 0, control = 0, local = 0] = new Uint32Array(bytes.buffer, 0, 4);
  const raw = [input & ~COOKED_INPUT, output, control, local & ~COOKED_LOCAL];
  new Uint32Array(bytes.buffer, 0, 4).set(raw);
  if (libc.ioctl(master, TCSETS, bytes) !== 0) throw failure();
}
