import { ERRNO } from '../errno.ts';
import type { Libc } from '../libc.ts';
import { readProcessStat } from './proc.ts';

/**
 * Sends a signal to the process with this pid and start time, never to another that has taken its number since:
 * the pidfd is opened first and then the start time is compared. Answers whether the process was there.
 */
export function signalProcess(libc: Libc, pid: number, startTime: number, signal: number): boolean {
  const pidfd = libc.pidfdOpen(pid, 0);
  if (pidfd < 0) {
    const errno = libc.errno();
    if (errno === ERRNO.ESRCH) return false;
    throw new Error(`pidfd_open of process ${pid} failed with error number ${errno}`);
  }
  try {
    if (readProcessStat(pid)?.startTime !== startTime) return false;
    if (libc.pidfdSendSignal(pidfd, signal) === 0) return true;
    const errno = libc.errno();
    if (errno === ERRNO.ESRCH) return false;
    throw new Error(`sending signal ${signal} to process ${pid} failed with error number ${errno}`);
  } finally {
    libc.close(pidfd);
  }
}

/** As signalProcess, for all processes of the group that the process leads; where it leads none, for itself alone. */
export function signalGroup(libc: Libc, pid: number, startTime: number, signal: number): boolean {
  if (readProcessStat(pid)?.startTime !== startTime) return false;
  try {
    // A group keeps its number from others as long as it has a process.
    return process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    return signalProcess(libc, pid, startTime, signal);
  }
}
