import { closeSync, openSync } from 'node:fs';
import { isProcessAlive, type ProcessIdentity } from './proc.ts';

/** An open namespace: it is the same one until it is closed, whatever becomes of the process it was opened of. */
export interface OpenNamespace {
  /** A path for other threads and programs, such as `/proc/12/fd/30`. */
  readonly path: string;
  close(): void;
}

/**
 * Opens a namespace of a process. Undefined when that process has ended; its number may be another's by now, and the namespace the
 * host's own.
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
  // Looked at afterwards: only then it is known whose namespace was opened.
  if (!isProcessAlive(pid, startTime)) {
    closeSync(descriptor);
    return undefined;
  }
  return { path: `/proc/${process.pid}/fd/${descriptor}`, close: () => closeSync(descriptor) };
}
