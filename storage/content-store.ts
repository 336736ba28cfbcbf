import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/errors.ts';
import type { Manifest } from '../oci/manifest.ts';
import type { DriverUpload, StoredBlob } from './blobs/blob-driver.ts';
import type { BlobStore } from './blobs/blob-store.ts';
import type { Catalog, FileClaim, ManifestPutOptions, ManifestRecord } from './catalog/catalog.ts';
import type { Actor } from './catalog/tag-rule-catalog.ts';
import { QuotaExceededError, StorageError } from './errors.ts';

/** Milliseconds within which a file that no upload record claims must get its record. */
export const CLAIM_TIME = 30 * 60 * 1000;

/** A manifest whose content is not stored yet. */
export interface NewManifest extends Omit<ManifestRecord, 'blob'> {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** Returns the fields of a parsed manifest that the catalog records. */
export function recordedFields({
  annotations,
  artifactType,
  mediaType,
  references,
}: Manifest): Omit<ManifestRecord, 'blob'> {
  return {
    mediaType,
    references,
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations }),
  };
}

/**
 * Stores content and its records: content is made durable first, then recorded. Garbage collection may run at any
 * moment, in this process and in others, and never deletes acknowledged content. The proof:
 *
 * A. Transactions are serialisable. SQLite has one writer at a time and refuses one that has read what another
 *    has changed since (SQLITE_BUSY_SNAPSHOT); inTransaction then repeats it. On PostgreSQL inTransaction
 *    requests SERIALIZABLE, and repeats what fails with 40001. So each transaction can be treated as one point in time.
 * B. A record of a blob is deleted only while no repository links it (foreign keys refuse it otherwise); a
 *    link only while no manifest of its repository refers to it and it is not a manifest itself. Both are checked
 *    in the transaction that deletes. A manifest is recorded in a transaction that finds all its links. By A
 *    these come one after the other: either the link is gone and the push is refused with
 *    MANIFEST_BLOB_UNKNOWN, or the manifest exists and the link stays.
 * C. Every commit of an upload has a location of its own, which no later commit can get. A file is deleted
 *    1. by its own pusher, after the pusher's transaction has found another location in the record, or was refused;
 *    2. by a sweep, after a transaction of the sweep has deleted the record of exactly this location;
 *    3. as an orphan, when no record names it and none will.
 *    After 1 and 2 nobody makes a record of this location any more: only its pusher could, in its only
 *    transaction. A push of the same content has a file and a record of its own.
 * D. On 3: a file with an upload record is not an orphan. That record is deleted in the transaction that makes the
 *    file's own (claim `upload`), and isNamed reads both in one statement, so it sees one of them; when the upload
 *    record is dropped instead, as idle or cancelled, the pusher's transaction finds it gone and fails. Ids of
 *    uploads are random and never recur. A file without an upload record (claim `deadline`) gets its record
 *    within CLAIM_TIME of its commit, or never: in SQLite this is measured while the transaction blocks other
 *    writers, on PostgreSQL in a transaction that ends a few minutes later at most (transaction.ts). The
 *    sweep takes files for orphans only when they are ORPHAN_AGE old, which is twice as long.
 * Nothing names deleted files that a power cut or the journal of a filesystem driver brings back, so they are orphans.
 * From B, C and D: an existing record has its complete file; and an existing manifest has its records.
 */
export class ContentStore {
  readonly #catalog: Catalog;
  readonly #blobs: BlobStore;

  constructor(catalog: Catalog, blobs: BlobStore) {
    this.#catalog = catalog;
    this.#blobs = blobs;
  }

  /**
   * Ends an upload: its content becomes a blob of the repository, and its record is removed. An empty upload may get
   * `content` of at most BlobStore.smallLimit bytes, its only content. Throws DigestMismatchError, which leaves the
   * upload unchanged, QuotaExceededError, UploadBusyError, UploadUnknownError, StorageFullError.
   */
  async commitUpload(
    repository: string,
    upload: DriverUpload,
    digest: Digest,
    content?: Uint8Array,
    by?: Actor,
  ): Promise<StoredBlob> {
    const file = await (content === undefined
      ? this.#blobs.commit(upload, digest)
      : this.#blobs.commitSmall(upload, content, digest));
    try {
      return await this.#record(file, { kind: 'upload', id: upload.id }, (claim) =>
        this.#catalog.blobs.link(repository, file, claim, by),
      );
    } catch (error) {
      // Its content is committed, so it cannot continue: both are removed (see C.1 above).
      if (error instanceof QuotaExceededError) {
        await this.#catalog.uploads.delete(upload.id);
        await this.#blobs.delete(file).catch(() => {});
      }
      throw error;
    }
  }

  /** Stores content in one go as a blob of the repository. Throws as BlobStore.put does, QuotaExceededError. */
  async putBlob(
    repository: string,
    content: AsyncIterable<Uint8Array> | Uint8Array,
    digest: Digest,
    signal?: AbortSignal,
    by?: Actor,
  ): Promise<StoredBlob> {
    const file = await this.#blobs.put(content, digest, signal);
    return this.#record(file, deadline(), (claim) => this.#catalog.blobs.link(repository, file, claim, by));
  }

  /**
   * Stores a manifest, whose `digest` has been verified, and points `tags` at it. Throws
   * ManifestBlobUnknownError, PreconditionFailedError, QuotaExceededError, StorageFullError, TagRefusedError.
   */
  async putManifest(
    repository: string,
    { bytes, digest, ...manifest }: NewManifest,
    options: Omit<ManifestPutOptions, 'claim'>,
    signal?: AbortSignal,
  ): Promise<StoredBlob> {
    const file = await this.#blobs.put(bytes, digest, signal);
    let { precondition } = options;
    return this.#record(file, deadline(), async (claim) => {
      const record = { ...manifest, blob: file };
      const held = precondition === undefined ? {} : { precondition };
      const { precondition: _, ...others } = options;
      const recorded = await this.#catalog.manifests.put(repository, record, { ...others, ...held, claim });
      // The precondition applies to the state before this push.
      precondition = undefined;
      return recorded;
    });
  }

  /** Records a file, or drops it when the catalog has the same content elsewhere. */
  async #record(
    file: StoredBlob,
    firstClaim: FileClaim,
    record: (claim: FileClaim) => Promise<StoredBlob>,
  ): Promise<StoredBlob> {
    const late = deadline();
    try {
      for (let claim = firstClaim; ; claim = late) {
        const recorded = await record(claim);
        if (recorded.location === file.location) return file;
        if (await this.#blobs.holds(recorded)) {
          await this.#blobs.delete(file);
          return recorded;
        }
        // The recorded file was lost or swept: this push restores it.
        if (await this.#catalog.blobs.relocate(recorded, file, late)) return file;
      }
    } catch (error) {
      // Certainly refused, and no other record names this file. Otherwise the sweep of orphans decides.
      if (firstClaim.kind === 'deadline' && (error instanceof StorageError || error instanceof OciError)) {
        await this.#blobs.delete(file).catch(() => {});
      }
      throw error;
    }
  }
}

function deadline(): FileClaim {
  return { kind: 'deadline', until: new Date(Date.now() + CLAIM_TIME) };
}
