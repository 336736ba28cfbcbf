import { type Logger, pino } from 'pino';
import type { LogLevel } from './config/config.ts';

/** Start of the lines of this level. */
const FATAL = '{"level":60';

/** The program's log: JSON lines on standard error. `flush` writes the buffered ones. */
export interface ProgramLog {
  readonly log: Logger;
  flush(): void;
}

/**
 * Writes the lines of one turn of the event loop in one write, and no more bytes than LogBudget allows. pino's own
 * destination is not used: when the reader of standard error has gone, its flush at the end of the process retries for
 * ever.
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
  // A closed log must not stop the program.
  process.stderr.on('error', () => undefined);
  const log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, { write });
  return { log, flush };
}

/** Burst and rate per second of the log, in bytes: at most 22 GB a day. */
const BURST = 8 * 1024 * 1024;
const PER_SECOND = 256 * 1024;

/** Limits the bytes of a log, whatever writes to it. */
export class LogBudget {
  readonly #now: () => number;
  #left = BURST;
  #at: number;
  #dropped = 0;

  /** `now` returns milliseconds from any start. */
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

export interface SamplingOptions {
  /** Lines per second that are always logged. */
  readonly always: number;
  /** Of the lines beyond, one in this many. */
  readonly oneIn: number;
  /** Milliseconds, from any start. */
  readonly now?: () => number;
}

/** Samples similar lines, so that a log of successful requests is cheap at any rate. */
export class LogSampler {
  readonly #options: Required<SamplingOptions>;
  #second = 0;
  #taken = 0;
  #unlogged = 0;

  constructor(options: SamplingOptions) {
    this.#options = { now: () => performance.now(), ...options };
  }

  /** Returns undefined when the line is dropped, otherwise the number of dropped lines before it. */
  take(): number | undefined {
    const { always, oneIn, now } = this.#options;
    const second = Math.floor(now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#taken = 0;
    }
    if (this.#taken >= always && this.#unlogged + 1 < oneIn) {
      this.#unlogged += 1;
      return undefined;
    }
    this.#taken += 1;
    const unlogged = this.#unlogged;
    this.#unlogged = 0;
    return unlogged;
  }
}

/** Characters of a path that are logged. */
const LONGEST_PATH = 450;

/** Shortens a path for a log: complete if it may be one of this registry, cut if it is longer. */
export function shortPath(path: string): string {
  return shorten(path, LONGEST_PATH);
}

/** Returns at most `longest` characters of a text, with its full length. */
export function shorten(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest)}… (${text.length} characters)`;
}
