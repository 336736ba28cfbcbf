/** What the main thread tells the thread that receives. Descriptors of sockets become the thread's own. */
export type IntakeCommand =
  | {
      readonly kind: 'receive';
      /** Of the hash that the bytes go to, which takes part in one transfer at a time. */
      readonly key: number;
      readonly socket: number;
      readonly file: number;
      /** Where in the file the first byte goes. */
      readonly position: number;
      readonly length: number;
    }
  | { readonly kind: 'cancel'; readonly key: number }
  | { readonly kind: 'stop' };

/** What the thread tells. After `ended` it touches neither socket nor file any more. */
export type IntakeReport =
  | { readonly kind: 'progress'; readonly key: number }
  | {
      readonly kind: 'ended';
      readonly key: number;
      /** Bytes that are in the file, and in the ring by the time that it has been filled `filled` times. */
      readonly received: number;
      readonly filled: number;
      /** Why the file could not be written. */
      readonly deviceError?: { readonly message: string; readonly code: string | undefined };
    };

export interface IntakeWorkerData {
  /** An eventfd that is written to after each command. */
  readonly wakeFd: number;
  /** Memory of an IntakeRing. */
  readonly ring: SharedArrayBuffer;
  /** Of the thread that hashes (HashWorkerData). */
  readonly doorbell: SharedArrayBuffer;
}
