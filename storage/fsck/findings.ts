import type { Digest } from '../../oci/digest.ts';
import type { StoredBlob } from '../blobs/blob-driver.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { ManifestName } from '../catalog/garbage-catalog.ts';

/** The outcome of a finding: `mended` is repaired, `removed` can be pushed again, `kept` is unchanged. */
export type Outcome = 'mended' | 'removed' | 'kept';

/** A fault of a store. */
export type Finding = { readonly outcome: Outcome } & (
  | { readonly kind: 'database'; readonly message: string }
  | {
      readonly kind: 'blob';
      readonly blob: StoredBlob;
      readonly message: string;
      /** Names of everything that cannot be pulled without it. */
      readonly dependants: readonly string[];
    }
  | {
      readonly kind: 'manifest';
      readonly manifest: ManifestName;
      readonly message: string;
      readonly missing: readonly Digest[];
    }
);

/** What was checked. Leftovers are not damage: garbage collection deletes them later. */
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
  /** Whether to repair faults; a damaged file without a copy is moved to quarantine, with its record. */
  readonly repair: boolean;
  readonly signal?: AbortSignal;
  /** Called frequently. */
  readonly onProgress?: (summary: Readonly<CheckSummary>) => void;
  /** Called with each fault as it is found. */
  readonly onFinding: (finding: Finding) => void;
}
