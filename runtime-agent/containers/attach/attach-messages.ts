/** Commands of the hub to the thread that holds the sockets. `key` names a connection. */
export type AttachCommand =
  | { readonly kind: 'open'; readonly key: number; readonly path: string }
  | { readonly kind: 'send'; readonly key: number; readonly sequence: number; readonly data: Uint8Array }
  /** Ends the input, after all earlier input. */
  | { readonly kind: 'end-input'; readonly key: number }
  /** Bytes of output that have been consumed. */
  | { readonly kind: 'consumed'; readonly key: number; readonly bytes: number }
  | { readonly kind: 'close'; readonly key: number }
  | { readonly kind: 'stop' };

/** Bytes of one stream, in the order in which the container wrote them. */
export interface OutputRun {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Uint8Array;
}

/** Reports of the thread. `ended` is the last one of a connection. */
export type AttachReport =
  | { readonly kind: 'opened'; readonly key: number; readonly fd: number }
  | { readonly kind: 'output'; readonly key: number; readonly runs: readonly OutputRun[] }
  | { readonly kind: 'sent'; readonly key: number; readonly sequence: number }
  | { readonly kind: 'ended'; readonly key: number; readonly error?: string };

/** The thread's workerData. */
export interface AttachWorkerData {
  /** An eventfd: the hub writes to it after it has posted commands. */
  readonly wakeFd: number;
}

/** Maximum bytes of output queued for slow clients of one connection. */
export const OUTPUT_WINDOW = 256 * 1024;
