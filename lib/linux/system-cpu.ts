import { readFile } from 'node:fs/promises';

/** Processor time of the whole machine. */
export interface SystemCpu {
  /** Nanoseconds since boot, including idle time. */
  readonly total: number;
  readonly online: number;
}

/** USER_HZ is 100 on every architecture that Berth supports. */
const TICK = 10_000_000;
/** user nice system idle iowait irq softirq; guest time is already part of user. */
const COUNTED = 7;

export async function readSystemCpu(): Promise<SystemCpu> {
  return parseSystemCpu(await readFile('/proc/stat', 'latin1'));
}

/** Parses the first lines of proc_stat(5). */
export function parseSystemCpu(text: string): SystemCpu {
  const [, times = ''] = /^cpu +(\S.*)$/m.exec(text) ?? [];
  const ticks = times.split(' ').slice(0, COUNTED).map(Number);
  return {
    total: ticks.reduce((sum, count) => sum + count, 0) * TICK,
    online: [...text.matchAll(/^cpu\d+ /gm)].length,
  };
}
