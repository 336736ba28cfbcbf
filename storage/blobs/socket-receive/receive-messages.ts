import type { TransferReport } from '../../../lib/linux/transfer-thread.ts';

/** A transfer for the receive thread. Descriptors of sockets become the thread's own. */
export interface ReceiveBegin {
  readonly kind: 'receive';
  /** The hash of the bytes; it takes part in only one transfer at a time. */
  readonly key: number;
  readonly socket: number;
  readonly file: number;
  /** Position of the first byte in the file. */
  readonly position: number;
  readonly length: number;
}

/** How a transfer ended. */
export interface EndedReceive {
  /** Number of bytes that are in the file, and in the ring by the time that it has been filled `filled` times. */
  readonly received: number;
  readonly filled: number;
  /** Why the file could not be written. */
  readonly deviceError?: { readonly message: string; readonly code: string | undefined };
}

/** After `ended` the thread uses neither socket nor file any more. */
export type ReceiveReport = TransferReport<EndedReceive>;

export interface ReceiveWorkerData {
  /** An eventfd that is written to after each command. */
  readonly wakeFd: number;
  /** Memory of a ReceiveRing. */
  readonly ring: SharedArrayBuffer;
  /** The doorbell of the hash thread (HashWorkerData). */
  readonly doorbell: SharedArrayBuffer;
}
