import { closeSync, openSync } from 'node:fs';
import { isProcessAlive, type ProcessIdentity } from './proc.ts';

/** An open namespace. It stays the same until it is closed, whatever happens to the process. */
export interface OpenNamespace {
  /** A path that other threads and programs can open, such as `/proc/12/fd/30`. */
  readonly path: string;
  close(): void;
}

/**
 * Opens a namespace of a process. Returns undefined when that process has ended: its pid may be reused by now, and the
 * namespace may be the host's own.
 */
export function openProcessNamespace(
  { pid, startTime }: ProcessIdentity,
  kind: 'net' | 'pid' | 'ipc',
): OpenNamespace | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(`/proc/${pid}/ns/${kind}`, 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
  // Checked afterwards: only then is it certain whose namespace was opened.
  if (!isProcessAlive(pid, startTime)) {
    closeSync(descriptor);
    return undefined;
  }
  return { path: `/proc/${process.pid}/fd/${descriptor}`, close: () => closeSync(descriptor) };
}
