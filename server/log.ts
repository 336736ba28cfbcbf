import { type Logger, pino } from 'pino';
import type { LogLevel } from './config/config.ts';

/** The program's log: JSON lines on standard error. `flush` writes what is still held back. */
export interface ProgramLog {
  readonly log: Logger;
  flush(): void;
}

/**
 * Lines of one turn of the event loop go out in one write. pino's own destination is not used: when the
 * reader of standard error has gone, its flush at the end of the process tries again for ever.
 */
export function createLog(level: LogLevel): ProgramLog {
  let held = '';
  const flush = () => {
    const text = held;
    held = '';
    if (text !== '') process.stderr.write(text);
  };
  const write = (line: string) => {
    if (held === '') setImmediate(flush);
    held += line;
  };
  // A log that nobody reads is no reason to stop.
  process.stderr.on('error', () => undefined);
  const log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, { write });
  return { log, flush };
}
