/** Exit code of a process that its watchdog has ended (EX_SOFTWARE of sysexits.h). */
export const STALL_EXIT_CODE = 70;

/** Settings of the watchdog's thread. */
export interface WatchOrders {
  /** Memory of the main thread's WorkUnderWay. */
  readonly memory: SharedArrayBuffer;
  /** Milliseconds without a turn of the event loop after which the process ends. */
  readonly limit: number;
  /** Milliseconds between two checks. */
  readonly interval: number;
  /** The file that gets a line for each ended process. */
  readonly record: string;
  /** Format of the last line on standard error; undefined for none. */
  readonly log: LastLine | undefined;
}

/** The format of the program's own log. */
export interface LastLine {
  /** Its first fields. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Whether it has the time in ISO 8601, rather than in milliseconds. */
  readonly isoTime: boolean;
}
