import type { Digest } from '../../oci/digest.ts';

/** One thing that content does not say about itself; all of them together bring a lost catalog back. */
export type NameLine =
  | { readonly repository: string; readonly description: string }
  | { readonly repository: string; readonly manifest: Digest; readonly mediaType: string }
  | { readonly repository: string; readonly manifest: Digest; readonly tag: string };

/** The names in a catalog. */
export interface NamesCatalog {
  /** Another number after any change of tags or manifests. */
  version(): Promise<number>;
  /** All names, read in pieces: others may change some meanwhile. */
  lines(): AsyncIterable<NameLine>;
}
