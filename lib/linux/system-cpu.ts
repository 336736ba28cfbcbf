import { readFile } from 'node:fs/promises';

/** The time of all processors together. */
export interface SystemCpu {
  /** Nanoseconds since boot, idle time too. */
  readonly total: number;
  readonly online: number;
}

/** USER_HZ is 100 on every architecture that Berth runs on. */
const TICK = 10_000_000;
/** user nice system idle iowait irq softirq: what guests used is in user already. */
const COUNTED = 7;

export async function readSystemCpu(): Promise<SystemCpu> {
  return parseSystemCpu(await readFile('/proc/stat', 'latin1'));
}

/** Reads the first lines of proc_stat(5). */
export function parseSystemCpu(text: string): SystemCpu {
  const [, times = ''] = /^cpu +(\S.*)$/m.exec(text) ?? [];
  const ticks = times.split(' ').slice(0, COUNTED).map(Number);
  return {
    total: ticks.reduce((sum, count) => sum + count, 0) * TICK,
    online: [...text.matchAll(/^cpu\d+ /gm)].length,
  };
}
