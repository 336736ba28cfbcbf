/** One figure of one run. */
export interface Figure {
  /** What is measured, such as `blob PUT`. */
  readonly name: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  readonly value: number;
}

/** The server that a measurement is taken of. */
export interface BenchServer {
  readonly name: string;
  /** `http://HOST:PORT`. */
  readonly url: string;
  readonly process: () => ServerProcess;
}

export interface ServerProcess {
  readonly pid: number;
  peakRssBytes(): Promise<number>;
  cpuSeconds(): Promise<number>;
}

/** What one round does to one server; `round` makes its content another one than that of the rounds before. */
export type Measurement = (
  server: BenchServer,
  round: number,
  signal: AbortSignal,
) => Promise<readonly Figure[]>;
