import type { DigestAlgorithm } from '../../../oci/digest.ts';

/** A command of the main thread to the hash thread. A key identifies one hash. */
export type HashCommand =
  | { readonly kind: 'begin'; readonly key: number; readonly algorithm: DigestAlgorithm }
  /** From now on, after the first `after` slots of the receive ring, the bytes of the hash arrive in this ring. */
  | {
      readonly kind: 'feed';
      readonly key: number;
      readonly ring: SharedArrayBuffer;
      readonly after: number;
    }
  /**
   * No more bytes follow: all are in the hash's ring, or in the receive ring once it has been filled `after` times.
   * `digest` and `drop` end the hash.
   */
  | { readonly kind: 'rest' | 'digest' | 'drop'; readonly key: number; readonly after: number }
  | { readonly kind: 'stop' };

/** Sent after `rest`, `digest` and `drop`: the thread does not use the hash's ring any more. */
export interface HashReport {
  readonly key: number;
  /** Lower-case hex, after `digest`. */
  readonly digest?: string;
}

export interface HashWorkerData {
  /** A counter that is incremented and notified after each command and each filled slot. */
  readonly doorbell: SharedArrayBuffer;
  /** Memory of a ReceiveRing. A hash gets bytes through it only while it has no ring of its own. */
  readonly receive: SharedArrayBuffer;
}
