import { type Logger, pino } from 'pino';
import type { LogLevel } from './config/config.ts';

/** How lines of this level begin. */
const FATAL = '{"level":60';

/** The program's log: JSON lines on standard error. `flush` writes what is still held back. */
export interface ProgramLog {
  readonly log: Logger;
  flush(): void;
}

/**
 * Lines of one turn of the event loop go out in one write, and no more bytes than LogBudget allows. pino's own destination is not used: when the
 * reader of standard error has gone, its flush at the end of the process tries again for ever.
 */
export function createLog(level: LogLevel): ProgramLog {
  let held = '';
  const flush = () => {
    const text = held;
    held = '';
    if (text !== '') process.stderr.write(text);
  };
  const hold = (text: string) => {
    if (held === '') setImmediate(flush);
    held += text;
  };
  const budget = new LogBudget();
  const write = (line: string) => {
    // Fatal lines are never dropped.
    const dropped = line.startsWith(FATAL) ? 0 : budget.take(Buffer.byteLength(line));
    if (dropped === undefined) return;
    if (dropped > 0) {
      const msg = 'lines were left out: more was logged than a log may grow in a second';
      hold(`${JSON.stringify({ level: 40, time: new Date().toISOString(), lines: dropped, msg })}\n`);
    }
    hold(line);
  };
  // A log that nobody reads is no reason to stop.
  process.stderr.on('error', () => undefined);
  const log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, { write });
  return { log, flush };
}

/** Burst of the log, and its rate a second, in bytes: at most 22 GB a day. */
const BURST = 8 * 1024 * 1024;
const PER_SECOND = 256 * 1024;

/** Bounds the bytes of a log, whatever writes to it. */
export class LogBudget {
  readonly #now: () => number;
  #left = BURST;
  #at: number;
  #dropped = 0;

  /** `now`: milliseconds, from any start. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#at = now();
  }

  /** Returns how many lines were dropped before this one; undefined if this one is dropped too. */
  take(bytes: number): number | undefined {
    const now = this.#now();
    this.#left = Math.min(BURST, this.#left + ((now - this.#at) / 1000) * PER_SECOND);
    this.#at = now;
    if (this.#left < bytes) {
      this.#dropped += 1;
      return undefined;
    }
    this.#left -= bytes;
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }
}
