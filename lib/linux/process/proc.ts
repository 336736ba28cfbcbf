import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';

/** Of USER_HZ, which is 100 on all machines that Node runs on. */
const MILLISECONDS_PER_TICK = 10;

/** Fields of /proc/PID/stat. */
export interface ProcessStat {
  /** `Z` is a zombie, see proc_pid_stat(5). */
  readonly state: string;
  /** Clock ticks after boot: with the pid, it names one process for as long as the machine is up. */
  readonly startTime: number;
}

/** A process for as long as the machine is up: a number alone may be another's later. */
export interface ProcessIdentity {
  readonly pid: number;
  /** See ProcessStat. */
  readonly startTime: number;
}

/** Undefined when there is no such process. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
  // The command in parentheses may hold blanks and parentheses itself.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '?', startTime: Number(fields[19]) };
}

/** True while the process that had `startTime` runs: neither gone, nor a zombie, nor another with its number. */
export function isProcessAlive(pid: number, startTime: number): boolean {
  if (pid <= 0) return false;
  const stat = readProcessStat(pid);
  return stat !== undefined && stat.startTime === startTime && stat.state !== 'Z' && stat.state !== 'X';
}

/**
 * Milliseconds since a process that runs on this boot began, to 10 ms. Setting the clock of the host does not change it.
 */
export function processAge(startTime: number): number {
  return Math.max(0, uptime() * 1000 - startTime * MILLISECONDS_PER_TICK);
}

/** Changes with each boot of the machine. */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}

/** Names of the capabilities in this process's bounding set are the bits of this number. */
export function readBoundingCapabilities(): bigint {
  const line = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'));
  return BigInt(`0x${line?.[1] ?? '0'}`);
}
