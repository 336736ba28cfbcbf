import { printable } from './printable.ts';

/** Milliseconds between two lines of progress. */
const INTERVAL = 250;

/** A line on a terminal that is written over again and again; nothing where standard error is no terminal. */
export class Progress {
  #shownAt = 0;

  show(line: string): void {
    if (!process.stderr.isTTY || performance.now() - this.#shownAt < INTERVAL) return;
    this.#shownAt = performance.now();
    process.stderr.write(`\r\x1b[K${printable(line).slice(0, (process.stderr.columns ?? 80) - 1)}`);
  }

  clear(): void {
    if (process.stderr.isTTY && this.#shownAt > 0) process.stderr.write('\r\x1b[K');
  }
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** A number of bytes for people, such as `1.5 GB`. */
export function byteCount(bytes: number): string {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  const digits = power === 0 ? 0 : 1;
  return `${(bytes / 1000 ** power).toFixed(digits)} ${UNITS[power]}`;
}

/** A number of things for people, such as `1 blob` and `2 blobs`. */
export function count(number: number, what: string): string {
  const many = what.endsWith('y') ? `${what.slice(0, -1)}ies` : `${what}s`;
  return `${number} ${number === 1 ? what : many}`;
}
