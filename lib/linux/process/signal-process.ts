import { ERRNO } from '../errno.ts';
import type { Libc } from '../libc.ts';
import { readProcessStat } from './proc.ts';

/**
 * Sends a signal to the process with this pid and start time, never to a process that reuses the pid: it opens the
 * pidfd first and then compares the start time. Returns whether the process exists.
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

/** Like signalProcess, for the process group that the process leads; if it leads none, for the process alone. */
export function signalGroup(libc: Libc, pid: number, startTime: number, signal: number): boolean {
  if (readProcessStat(pid)?.startTime !== startTime) return false;
  try {
    // The number of a group is not reused while the group has a process.
    return process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    return signalProcess(libc, pid, startTime, signal);
  }
}
