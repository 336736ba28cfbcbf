import type { Duplex } from 'node:stream';
import { ReadStream } from 'node:tty';
import type { Libc } from '../libc.ts';

const TIOCSWINSZ = 0x5414;

/** The master side of a terminal: writes are its input, reads are its output. */
export interface Terminal {
  /** Ends when no process has the terminal open any more. */
  readonly stream: Duplex;
  /** Each 0 to 65535. Does nothing once the stream is closed. */
  resize(rows: number, columns: number): void;
}

/** Takes ownership of the descriptor: it is closed with the stream. */
export function openTerminal(libc: Libc, fd: number): Terminal {
  const stream = new ReadStream(fd);
  // Output of the terminal does not keep this process alive.
  stream.unref();
  // The kernel signals the end of a terminal by EIO.
  stream.on('error', () => stream.destroy());
  return {
    stream,
    resize: (rows, columns) => {
      if (stream.destroyed) return;
      const size = new Uint16Array([rows, columns, 0, 0]);
      libc.ioctl(fd, TIOCSWINSZ, new Uint8Array(size.buffer));
    },
  };
}
