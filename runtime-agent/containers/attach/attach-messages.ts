/** What the hub asks of the thread that holds the sockets. `key` names a connection. */
export type AttachCommand =
  | { readonly kind: 'open'; readonly key: number; readonly path: string }
  | { readonly kind: 'send'; readonly key: number; readonly sequence: number; readonly data: Uint8Array }
  /** End of input, after what was sent before. */
  | { readonly kind: 'end-input'; readonly key: number }
  /** So many bytes of output need not be held any more. */
  | { readonly kind: 'consumed'; readonly key: number; readonly bytes: number }
  | { readonly kind: 'close'; readonly key: number }
  | { readonly kind: 'stop' };

/** Bytes of one stream, in the order in which the container wrote them. */
export interface OutputRun {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Uint8Array;
}

/** What the thread answers. After `ended` it says no more of that connection. */
export type AttachReport =
  | { readonly kind: 'opened'; readonly key: number; readonly fd: number }
  | { readonly kind: 'output'; readonly key: number; readonly runs: readonly OutputRun[] }
  | { readonly kind: 'sent'; readonly key: number; readonly sequence: number }
  | { readonly kind: 'ended'; readonly key: number; readonly error?: string };

/** What the thread is started with. */
export interface AttachWorkerData {
  /** An eventfd: the hub writes to it after it has posted commands. */
  readonly wakeFd: number;
}

/** Output that may wait in the agent for slow clients, for each connection, in bytes. */
export const OUTPUT_WINDOW = 256 * 1024;
