import { writeFile } from 'node:fs/promises';
import { runCommand } from '../support/run-command.ts';
import type { BenchServer } from './measurement.ts';

export interface Timing {
  readonly seconds: number;
  /** User and system time of the server. */
  readonly cpuSeconds: number;
  /** The largest resident set of the server in the time, in bytes. */
  readonly peakRssBytes: number;
}

/** Runs `work` and says what it cost, on a machine that has nothing left to write from before. */
export async function timed(
  server: BenchServer,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<Timing> {
  const running = server.process();
  await runCommand('sync', [], { signal });
  // proc(5): 5 resets the peak resident set size to the current one.
  await writeFile(`/proc/${running.pid}/clear_refs`, '5');
  const cpuBefore = await running.cpuSeconds();
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  return {
    seconds,
    cpuSeconds: (await running.cpuSeconds()) - cpuBefore,
    peakRssBytes: await running.peakRssBytes(),
  };
}
