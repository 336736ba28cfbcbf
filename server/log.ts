import { type Logger, pino } from 'pino';
import type { LogLevel } from './config.ts';

/** The program's log: JSON lines on standard error. `flush` writes what is still held back. */
export interface ProgramLog {
  readonly log: Logger;
  flush(): void;
}

export function createLog(level: LogLevel): ProgramLog {
  const destination = pino.destination({ dest: 2, sync: false });
  const log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return { log, flush: () => destination.flushSync() };
}
