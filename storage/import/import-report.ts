/** What an import has done so far. */
export interface ImportReport {
  repositories: number;
  /** Tags that point where they point in the source. */
  tags: number;
  /** Manifests and blobs that were not here before. */
  manifests: number;
  blobs: number;
  /** Read from the source for blobs. */
  bytes: number;
  problems: number;
}

export function emptyReport(): ImportReport {
  return { repositories: 0, tags: 0, manifests: 0, blobs: 0, bytes: 0, problems: 0 };
}
