import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';

/** One tick of USER_HZ, which is 100 on all machines that Node supports. */
const MILLISECONDS_PER_TICK = 10;

/** Fields of /proc/PID/stat. */
export interface ProcessStat {
  /** `Z` is a zombie, see proc_pid_stat(5). */
  readonly state: string;
  /** Clock ticks after boot. Together with the pid it identifies one process until reboot. */
  readonly startTime: number;
}

/** Identifies a process until reboot; a pid alone may be reused. */
export interface ProcessIdentity {
  readonly pid: number;
  /** See ProcessStat. */
  readonly startTime: number;
}

/** Returns undefined when there is no such process. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
  // The command in parentheses may itself contain spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '?', startTime: Number(fields[19]) };
}

/**
 * Reports whether the process that began at `startTime` still runs: it is neither gone, nor a zombie, nor another
 * process with the same pid.
 */
export function isProcessAlive(pid: number, startTime: number): boolean {
  if (pid <= 0) return false;
  const stat = readProcessStat(pid);
  return stat !== undefined && stat.startTime === startTime && stat.state !== 'Z' && stat.state !== 'X';
}

/** Returns the age of a process of this boot in milliseconds, to 10 ms. Setting the host's clock does not change it. */
export function processAge(startTime: number): number {
  return Math.max(0, uptime() * 1000 - startTime * MILLISECONDS_PER_TICK);
}

/** Returns the boot ID, which changes with each boot. */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}

/** Returns the capability bounding set of this process as a bit mask. */
export function readBoundingCapabilities(): bigint {
  const line = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'));
  return BigInt(`0x${line?.[1] ?? '0'}`);
}
