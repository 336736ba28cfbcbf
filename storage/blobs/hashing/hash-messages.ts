import type { DigestAlgorithm } from '../../oci/digest.ts';

/** What the main thread tells the thread that hashes. A key names one hash. */
export type HashCommand =
  | { readonly kind: 'begin'; readonly key: number; readonly algorithm: DigestAlgorithm }
  /** From now on its bytes come in this ring. */
  | { readonly kind: 'feed'; readonly key: number; readonly ring: SharedArrayBuffer }
  /** All bytes that were meant for it are in the ring, and no more come; `digest` and `drop` end the hash. */
  | { readonly kind: 'rest' | 'digest' | 'drop'; readonly key: number }
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
}
