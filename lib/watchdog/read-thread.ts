import { readFileSync } from 'node:fs';
import type { ThreadReading } from './stall-clock.ts';

const NANOSECONDS = 1e6;

/** Reads the state of this process's main thread from proc(5); undefined on systems without it. */
export function readMainThread(): ThreadReading | undefined {
  try {
    const stat = read('stat');
    // The name, in parentheses, may hold spaces.
    const state = stat.charAt(stat.lastIndexOf(')') + 2);
    const traced = !/^TracerPid:\t0$/m.test(read('status'));
    return { state, traced, queued: queued() };
  } catch {
    return undefined;
  }
}

/** Where the kernel has the main thread, for the log: its state, and the calls that it sleeps in as far as this process may know. */
export function describeMainThread(): Readonly<Record<string, string>> {
  const entries = (['wchan', 'stack'] as const).map((name) => [name, attempt(name)] as const);
  return Object.fromEntries([
    ['state', readMainThread()?.state ?? ''],
    ...entries.filter(([, text]) => text !== '' && text !== '0'),
  ]);
}

/** Kernels that do not keep these statistics have no such file. */
function queued(): number {
  return Number(attempt('schedstat').split(' ')[1] ?? 0) / NANOSECONDS;
}

function attempt(name: string): string {
  try {
    return read(name).trim();
  } catch {
    return '';
  }
}

function read(name: string): string {
  return readFileSync(`/proc/self/task/${process.pid}/${name}`, 'latin1');
}
