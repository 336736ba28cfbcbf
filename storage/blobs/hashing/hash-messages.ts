import type { DigestAlgorithm } from '../../../oci/digest.ts';

/** What the main thread tells the thread that hashes. A key names one hash. */
export type HashCommand =
  | { readonly kind: 'begin'; readonly key: number; readonly algorithm: DigestAlgorithm }
  /** From now on, after the first `after` slots of the receive ring, its bytes come in this ring. */
  | {
      readonly kind: 'feed';
      readonly key: number;
      readonly ring: SharedArrayBuffer;
      readonly after: number;
    }
  /**
   * All bytes that were meant for it are in its ring, and in the receive ring by the time that that has been filled
   * `after` times, and no more come; `digest` and `drop` end the hash.
   */
  | { readonly kind: 'rest' | 'digest' | 'drop'; readonly key: number; readonly after: number }
  | { readonly kind: 'stop' };

/** After `rest`, `digest` and `drop`: the thread touches the hash's ring no more. */
export interface HashReport {
  readonly key: number;
  /** Lower-case hex, after `digest`. */
  readonly digest?: string;
}

export interface HashWorkerData {
  /** One number, which is counted up and notified after each command and each filled slot. */
  readonly doorbell: SharedArrayBuffer;
  /** Memory of a ReceiveRing. A hash gets bytes by it only while it has no ring of its own. */
  readonly receive: SharedArrayBuffer;
}
