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

/** Changes output as it arrives. The last call, without a chunk, returns the rest that was held back. */
export type OutputFilter = (chunk?: Buffer) => Buffer;

/** Takes ownership of the descriptor: it is closed with the stream. Output passes through `filter`. */
export function openTerminal(libc: Libc, fd: number, filter?: OutputFilter): Terminal {
  const stream = new ReadStream(fd);
  if (filter !== undefined) filterOutput(stream, filter);
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

function filterOutput(stream: ReadStream, filter: OutputFilter): void {
  const push = stream.push.bind(stream);
  stream.push = (chunk: Buffer | null) => {
    const passed = filter(chunk ?? undefined);
    const wantsMore = passed.length === 0 || push(passed);
    return chunk === null ? push(null) : wantsMore;
  };
}

const RETURN = 0x0d;
const LINE_FEED = 0x0a;

/** Returns a filter that turns two carriage returns before a line feed into one, even if chunks split them. */
export function singleReturns(): OutputFilter {
  /** Carriage returns at the end of the last chunk: of two, the second is held back. */
  let returns = 0;
  return (chunk = Buffer.alloc(0)) => {
    const passed: number[] = [];
    if (chunk.length === 0 && returns === 2) passed.push(RETURN);
    for (const byte of chunk) {
      if (byte === RETURN) {
        // A third carriage return: the one that is held back is not a duplicate.
        if (returns === 2) passed.push(RETURN);
        else {
          returns += 1;
          if (returns === 1) passed.push(RETURN);
        }
        continue;
      }
      if (returns === 2 && byte !== LINE_FEED) passed.push(RETURN);
      returns = 0;
      passed.push(byte);
    }
    return Buffer.from(passed);
  };
}
