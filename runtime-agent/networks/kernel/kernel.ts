import type { JobAnswer, JobKind, JobRequest } from './network-jobs.ts';

/** The part of the kernel that networks are made of. Jobs run one after the other, in the order of asking. */
export interface NetworkKernel {
  /** Throws an Error, with the kernel's `code` (`EEXIST`) where there is one; half of what was asked for is taken back. */
  run<K extends JobKind>(kind: K, request: JobRequest<K>): Promise<JobAnswer<K>>;
  close(): Promise<void>;
}
