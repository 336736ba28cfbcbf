/** Exit code of a process that its watchdog has ended (EX_SOFTWARE of sysexits.h). */
export const STALL_EXIT_CODE = 70;

/** Settings of the watchdog's thread. */
export interface WatchOrders {
  /** Of the main thread's WorkUnderWay. */
  readonly memory: SharedArrayBuffer;
  /** Milliseconds without a turn of the event loop after which the process ends. */
  readonly limit: number;
  /** Milliseconds between two looks. */
  readonly interval: number;
  /** The file that gets a line for each process that was ended. */
  readonly record: string;
  /** How the last line is written to standard error; undefined: not at all. */
  readonly log: LastLine | undefined;
}

/** The form of the program's own log. */
export interface LastLine {
  /** Its first fields. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Whether it has the time in ISO 8601, rather than in milliseconds. */
  readonly isoTime: boolean;
}
