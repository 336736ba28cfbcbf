import type { Digest } from '../../oci/digest.ts';
import type { StoredBlob } from '../blobs/blob-driver.ts';
import type { ManifestName } from '../catalog/garbage-catalog.ts';

/** How a finding was dealt with: `mended` is as good as new, `removed` can be pushed again, `kept` is as it was. */
export type Outcome = 'mended' | 'removed' | 'kept';

/** Something that is wrong with a store. */
export type Finding = { readonly outcome: Outcome } & (
  | { readonly kind: 'database'; readonly message: string }
  | {
      readonly kind: 'blob';
      readonly blob: StoredBlob;
      readonly message: string;
      /** Names of what cannot be pulled without it. */
      readonly dependants: readonly string[];
    }
  | {
      readonly kind: 'manifest';
      readonly manifest: ManifestName;
      readonly message: string;
      readonly missing: readonly Digest[];
    }
);

/** What was looked at. Leftovers are no damage: garbage collection deletes them in time. */
export interface CheckSummary {
  blobs: number;
  bytes: number;
  manifests: number;
  leftovers: number;
  leftoverBytes: number;
  uploads: number;
}
