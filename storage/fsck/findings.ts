import type { Digest } from '../../oci/digest.ts';
import type { StoredBlob } from '../blobs/blob-driver.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
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

/** A check of a store: its parts, and how it reports. */
export interface CheckRun {
  readonly catalog: Catalog;
  readonly blobs: BlobStore;
  /** Whether what can be mended is; a damaged file of which there is no copy is set aside, with its record. */
  readonly repair: boolean;
  readonly signal?: AbortSignal;
  /** Called often. */
  readonly onProgress?: (summary: Readonly<CheckSummary>) => void;
  /** Called with what is wrong, as it is found. */
  readonly onFinding: (finding: Finding) => void;
}
