import type { BlobStore } from '../blobs/blob-store.ts';
import { forgetPassing, replaceCatalogFile } from './catalog-file.ts';
import { copyContent, type UncopiedBlob } from './copy-content.ts';

export interface RestoreRun {
  readonly backup: { readonly blobs: BlobStore; readonly copyCatalog: (file: string) => Promise<void> };
  /** Empty. */
  readonly target: { readonly blobs: BlobStore; readonly catalogFile: string };
  readonly signal: AbortSignal;
  readonly onProgress: (report: Readonly<RestoreReport>) => void;
}

export interface RestoreReport {
  blobs: number;
  bytes: number;
}

/**
 * Fills an empty registry from a backup, verifying every byte; the catalog comes last, so that half a registry is
 * never taken for a whole one. Answers with what is lost or damaged in the backup: it is recorded and not there.
 * Throws StorageFullError, the signal's reason.
 */
export async function readBackup(
  run: RestoreRun,
): Promise<RestoreReport & { readonly lost: readonly UncopiedBlob[] }> {
  const report: RestoreReport = { blobs: 0, bytes: 0 };
  const { backup, target, signal } = run;
  return replaceCatalogFile(target.catalogFile, backup.copyCatalog, async (database) => {
    await forgetPassing(database);
    const lost = await copyContent({
      catalog: database,
      from: backup.blobs,
      to: target.blobs,
      present: new Map(),
      signal,
      onCopied: ({ size }) => {
        report.blobs += 1;
        report.bytes += size;
        run.onProgress(report);
      },
    });
    return { ...report, lost };
  });
}
