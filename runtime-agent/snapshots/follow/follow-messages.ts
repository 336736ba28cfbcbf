import type { DigestAlgorithm } from '../../../oci/digest.ts';
import type { TarFindings } from '../tar-findings.ts';

/** A request to the thread that reads growing tars. Each except `forget` gets one FollowReport with its id. */
export type FollowOrder =
  | {
      readonly id: number;
      /** `finish` when the file has its last byte. */
      readonly kind: 'read' | 'finish';
      /** Identifies the tar in all its orders. */
      readonly tar: number;
      /** A descriptor of this process, open for reading until `forget`; its own position is not used. */
      readonly fd: number;
      readonly algorithm: DigestAlgorithm;
    }
  | { readonly id: number; readonly kind: 'forget'; readonly tar: number };

export type FollowReport =
  | {
      readonly id: number;
      /** Bytes that have been read. */
      readonly position: number;
      /** Whether the file may already have more; reading stopped to give others a turn. */
      readonly hasMore: boolean;
    }
  | { readonly id: number; readonly findings: TarFindings }
  | { readonly id: number; readonly failure: string; readonly code?: string };
