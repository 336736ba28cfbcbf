/** Milliseconds between two lines of progress. */
const INTERVAL = 250;

/** A line on a terminal that is written over again and again; nothing where standard error is no terminal. */
export class Progress {
  #shownAt = 0;

  show(line: string): void {
    if (!process.stderr.isTTY || performance.now() - this.#shownAt < INTERVAL) return;
    this.#shownAt = performance.now();
    process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`);
  }

  clear(): void {
    if (process.stderr.isTTY && this.#shownAt > 0) process.stderr.write('\r\x1b[K');
  }
}
