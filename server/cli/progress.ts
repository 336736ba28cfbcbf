import { cutTo } from '../../lib/terminal/fit-table.ts';
import { printable } from './printable.ts';

/** Milliseconds between two changes of the line on a terminal, and between two lines elsewhere. */
const REDRAWN_AFTER = 250;
const LINE_AFTER = 10_000;
/** Milliseconds over which the rate is measured. */
const RATE_OVER = 30_000;

/** The progress of a job. */
export interface Amount {
  readonly done: number;
  /** Undefined if unknown. */
  readonly total?: number | undefined;
  /** `bytes`, or the counted items, such as `blobs`. */
  readonly unit: string;
}

/** The output for progress. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/**
 * Shows the progress of a job on standard error, with its rate, total and remaining time if known: on a terminal one
 * line that is rewritten; elsewhere a line every 10 seconds.
 */
export class Progress {
  readonly #output: ProgressOutput;
  readonly #now: () => number;
  readonly #beganAt: number;
  #shownAt: number;
  #isShown = false;
  #samples: { readonly at: number; readonly done: number }[] = [];

  /** `now` returns milliseconds. */
  constructor(output: ProgressOutput = process.stderr, now: () => number = () => performance.now()) {
    this.#output = output;
    this.#now = now;
    this.#beganAt = now();
    this.#shownAt = output.isTTY === true ? Number.NEGATIVE_INFINITY : this.#beganAt;
  }

  /** Shows a line, unless the last one was shown just before. */
  show(text: string, amount?: Amount): void {
    const { columns = 80, isTTY } = this.#output;
    const now = this.#now();
    if (now - this.#shownAt < (isTTY ? REDRAWN_AFTER : LINE_AFTER)) return;
    this.#shownAt = now;
    const line = printable([text, ...(amount === undefined ? [] : [this.#describe(amount, now)])].join(': '));
    this.#isShown = true;
    this.#output.write(isTTY ? `\r\x1b[K${cutTo(line, columns - 1)}` : `${line}\n`);
  }

  /** Removes the line from a terminal, so that others can be written. */
  clear(): void {
    if (this.#output.isTTY && this.#isShown) this.#output.write('\r\x1b[K');
    this.#isShown = false;
  }

  #describe({ done, total, unit }: Amount, now: number): string {
    const rate = this.#rateOf(done, now);
    const many = (number: number) =>
      unit === 'bytes' ? byteCount(number) : number.toLocaleString('en', { maximumFractionDigits: 0 });
    const noun = unit === 'bytes' ? '' : ` ${unit}`;
    // Content that is pushed meanwhile is not in the total.
    const known = total === undefined || done > total ? undefined : total;
    const parts = [
      known === undefined
        ? `${many(done)}${noun}`
        : `${many(done)} of ${many(known)}${noun} (${Math.floor((100 * done) / Math.max(known, 1))} %)`,
      ...(rate > 0 ? [`${many(rate)}/s`] : []),
      ...(rate > 0 && known !== undefined ? [`${timeText((known - done) / rate)} left`] : []),
    ];
    return parts.join(', ');
  }

  /** Returns the rate per second, over the last half minute. */
  #rateOf(done: number, now: number): number {
    if (this.#samples.length === 0) this.#samples.push({ at: this.#beganAt, done: 0 });
    this.#samples.push({ at: now, done });
    const recent = this.#samples.findLastIndex(({ at }) => at <= now - RATE_OVER);
    if (recent > 0) this.#samples = this.#samples.slice(recent);
    const [first] = this.#samples;
    if (first === undefined || now <= first.at) return 0;
    return Math.max(0, (1000 * (done - first.done)) / (now - first.at));
  }
}

/** Formats a length of time for people, such as `3m 20s`. */
function timeText(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole >= 86_400) return `${Math.floor(whole / 86_400)}d ${Math.floor((whole % 86_400) / 3600)}h`;
  if (whole >= 3600) return `${Math.floor(whole / 3600)}h ${Math.floor((whole % 3600) / 60)}m`;
  return whole >= 60 ? `${Math.floor(whole / 60)}m ${whole % 60}s` : `${whole}s`;
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Formats a number of bytes for people, such as `1.5 GB`. */
export function byteCount(bytes: number): string {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  const digits = power === 0 ? 0 : 1;
  return `${(bytes / 1000 ** power).toFixed(digits)} ${UNITS[power]}`;
}

/** Formats a number of things for people, such as `1 blob` and `2 blobs`. */
export function count(number: number, what: string): string {
  const many = what.endsWith('y') ? `${what.slice(0, -1)}ies` : `${what}s`;
  return `${number} ${number === 1 ? what : many}`;
}
