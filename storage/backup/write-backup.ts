import { setTimeout as sleep } from 'node:timers/promises';
import { inBatches } from '../../lib/streams/in-batches.ts';
import type { Digest } from '../../oci/digest.ts';
import type { StoredBlob } from '../blobs/blob-driver.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { openDatabase } from '../catalog/database.ts';
import { openCatalog } from '../catalog/knex-catalog.ts';
import { GarbageLease } from '../gc/garbage-lease.ts';
import { forgetPassing, replaceCatalogFile } from './catalog-file.ts';
import { copyContent, type UncopiedBlob } from './copy-content.ts';

/** Milliseconds between attempts to block garbage collection, and between renewals of the block. */
const RETRY_AFTER = 500;
const RENEW_EVERY = 1_000;

export interface BackupRun {
  readonly catalog: Pick<Catalog, 'garbage'>;
  /** Writes the catalog as it is at one moment into a new SQLite file. */
  readonly copyCatalog: (file: string) => Promise<void>;
  /** The backup's. */
  readonly catalogFile: string;
  /** Source and target of the blobs; absent if only the catalog is copied. */
  readonly content: ContentEnds | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (report: Readonly<BackupReport>) => void;
}

/** The source and the target of a copy of blobs. */
export interface ContentEnds {
  readonly from: BlobStore;
  readonly to: BlobStore;
}

export interface BackupReport {
  /** Blobs copied now; the others were there from the last time. */
  blobs: number;
  bytes: number;
  /** Total bytes to copy. */
  totalBytes: number;
  /** Blobs deleted because nothing refers to them any more. */
  deleted: number;
}

/**
 * Updates a backup while pushes and garbage collection continue. It first copies the catalog, as of one moment, with
 * every push that was answered before; then the content that the copy refers to. If garbage collection has deleted a
 * blob meanwhile, it starts again, keeps the copied content, and blocks collections. Only at the end it replaces the
 * old catalog and deletes content that only the old one referred to: interrupted at any moment, the backup is the last
 * complete one. Returns the blobs that could not be copied, because they are lost or damaged. Throws LeaseLostError
 * when the process stalled for so long that a collection took over, StorageFullError, the signal's reason.
 */
export async function writeBackup(
  run: BackupRun,
): Promise<BackupReport & { readonly lost: readonly UncopiedBlob[] }> {
  const report: BackupReport = { blobs: 0, bytes: 0, totalBytes: 0, deleted: 0 };
  const { content, signal } = run;
  const present = new Map<Digest, string>();
  if (content !== undefined) {
    for await (const { digest, location } of content.to.list(signal)) present.set(digest, location);
  }
  const onCopied = ({ size }: StoredBlob) => {
    report.blobs += 1;
    report.bytes += size;
    run.onProgress(report);
  };
  const onTotal = (bytes: number) => {
    report.totalBytes = report.bytes + bytes;
  };
  const pass = (onMissing: () => Promise<void>) =>
    replaceCatalogFile(run.catalogFile, run.copyCatalog, async (catalog) => {
      await forgetPassing(catalog);
      if (content === undefined) return [];
      const uncopied = await copyContent({ catalog, ...content, present, signal, onCopied, onTotal });
      if (uncopied.some(({ isMissing }) => isMissing)) await onMissing();
      return uncopied;
    });
  const lost = await pass(() => Promise.reject(new TakenError())).catch((error: unknown) => {
    if (!(error instanceof TakenError)) throw error;
    return withoutCollections(run, pass);
  });
  if (content !== undefined) report.deleted = await deleteUnnamed(run.catalogFile, content.to, signal);
  return { ...report, lost };
}

/** Garbage collection may have deleted something that the copy of the catalog refers to. */
class TakenError extends Error {}

/**
 * Runs `work` while no garbage collection runs, in this process or in others; its argument throws LeaseLostError if one
 * runs nevertheless.
 */
async function withoutCollections<Result>(
  { catalog, signal }: BackupRun,
  work: (check: () => Promise<void>) => Promise<Result>,
): Promise<Result> {
  let lease = await GarbageLease.take(catalog.garbage);
  while (lease === undefined) {
    await sleep(RETRY_AFTER, undefined, { signal });
    lease = await GarbageLease.take(catalog.garbage);
  }
  const held = lease;
  const failures: unknown[] = [];
  const renew = () => held.renew().catch((error: unknown) => failures.push(error));
  const renewing = setInterval(renew, RENEW_EVERY);
  try {
    return await work(async () => {
      await renew();
      if (failures.length > 0) throw failures[0];
    });
  } finally {
    clearInterval(renewing);
    await held.drop();
  }
}

async function deleteUnnamed(catalogFile: string, blobs: BlobStore, signal: AbortSignal): Promise<number> {
  const database = await openDatabase({ file: catalogFile });
  try {
    const { garbage } = await openCatalog(database);
    let deleted = 0;
    for await (const files of inBatches(blobs.list(signal), () => true)) {
      const named = await garbage.namedOf(files);
      for (const file of files) {
        if (!named.has(file.location) && (await blobs.delete(file))) deleted += 1;
      }
    }
    return deleted;
  } finally {
    await database.destroy();
  }
}
