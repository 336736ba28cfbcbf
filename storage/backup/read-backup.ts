import { forgetPassing, replaceCatalogFile } from './catalog-file.ts';
import { copyContent, type UncopiedBlob } from './copy-content.ts';
import type { ContentEnds } from './write-backup.ts';

export interface RestoreRun {
  /** Writes the backup's catalog into a new SQLite file. */
  readonly copyCatalog: (file: string) => Promise<void>;
  /** Path of the registry's new catalog file. */
  readonly catalogFile: string;
  /** The backup's blobs, and the registry's, which are empty; absent for a backup of the catalog alone. */
  readonly content: ContentEnds | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (report: Readonly<RestoreReport>) => void;
}

export interface RestoreReport {
  blobs: number;
  bytes: number;
  /** Total bytes to copy. */
  totalBytes: number;
}

/**
 * Fills an empty registry from a backup, verifying every byte. The catalog comes last, so that an incomplete registry
 * is never taken for a complete one. Returns the blobs that are lost or damaged in the backup: they are recorded but
 * missing. Throws StorageFullError, the signal's reason.
 */
export async function readBackup(
  run: RestoreRun,
): Promise<RestoreReport & { readonly lost: readonly UncopiedBlob[] }> {
  const report: RestoreReport = { blobs: 0, bytes: 0, totalBytes: 0 };
  const { content, signal } = run;
  return replaceCatalogFile(run.catalogFile, run.copyCatalog, async (catalog) => {
    await forgetPassing(catalog);
    if (content === undefined) return { ...report, lost: [] };
    const lost = await copyContent({
      catalog,
      ...content,
      present: new Map(),
      signal,
      onTotal: (bytes) => {
        report.totalBytes = bytes;
      },
      onCopied: ({ size }) => {
        report.blobs += 1;
        report.bytes += size;
        run.onProgress(report);
      },
    });
    return { ...report, lost };
  });
}
