import { type Logger, pino } from 'pino';
import type { LogLevel } from './config/config.ts';
import { LogBudget } from './log-budget.ts';

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
