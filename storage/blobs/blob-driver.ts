import type { Digest } from '../../oci/digest.ts';

/** The bytes `start` to `end`, inclusive, counted from 0. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** A blob that a driver stores. Only the driver that made a `location` can interpret it. */
export interface StoredBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly location: string;
}

/** A stored blob, whether or not a catalog records it. */
export interface StoredFile extends StoredBlob {
  /** The upload that was committed to this location. */
  readonly uploadId: string;
  /** Time of the commit, by the storage's clock. */
  readonly storedAt: Date;
}

/** An upload that has bytes in the store, whether or not a catalog knows it. */
export interface StoredUpload {
  readonly id: string;
  /** Time of the last append, by the storage's clock. */
  readonly touchedAt: Date;
  /** Size in bytes; undefined when the storage does not report it. */
  readonly size?: number;
}

/** An upload as a value, serialisable as JSON. Any process that has it can continue the upload. */
export interface DriverUpload {
  readonly id: string;
  /** Number of bytes that the driver has stored. */
  readonly size: number;
  /** The driver's own state, opaque to others; '' if a driver needs none. */
  readonly detail: string;
}

/**
 * Storage for the bytes of blobs. A driver neither hashes nor verifies: BlobStore does. Every implementation passes
 * test/contract/blob-driver.ts.
 *
 * Terms: an *upload* holds bytes that are still arriving. A *blob* is complete, has a digest and never changes. A
 * *location* names one stored copy of a blob, and only the driver that made it can read it.
 *
 * An upload begins empty, grows by appends, and ends by a commit or an abort. Its state is the DriverUpload that the
 * last append returned, which the caller keeps; the driver does not store it. For example, a push in two requests:
 *
 *     let upload = await driver.beginUpload(randomUUID());
 *     upload = await driver.appendUpload(upload, firstBody);
 *     upload = await driver.appendUpload(upload, secondBody); // in another process, if necessary
 *     const blob = await driver.commitUpload(upload, digest);
 *     for await (const chunk of await driver.readBlob(blob)) response.write(chunk);
 *     await driver.deleteBlob(blob);
 *
 * If an append fails, the DriverUpload from before it stays valid, and the next append overwrites the partial bytes.
 */
export interface BlobDriver {
  /**
   * Begins an empty upload. `id` is a UUID that no other upload of this driver has. A driver may store nothing before
   * the first append, and then it accepts any id for an empty upload: UploadUnknownError is certain only when bytes are
   * missing.
   */
  beginUpload(id: string): Promise<DriverUpload>;

  /**
   * Writes `content` after the first `upload.size` bytes, and drops the remains of an interrupted append. Memory is
   * bounded whatever the length; the sender may reuse a chunk's memory when the next chunk is requested. When `content`
   * or the device fails, the promise rejects and the given `upload` stays valid. Not reentrant for one upload. Throws
   * UploadUnknownError, StorageFullError.
   */
  appendUpload(
    upload: DriverUpload,
    content: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<DriverUpload>;

  /** Yields the first `upload.size` bytes of an upload. Throws UploadUnknownError. */
  readUpload(upload: DriverUpload, signal?: AbortSignal): AsyncIterable<Uint8Array>;

  /**
   * Makes the first `upload.size` bytes the content of `digest`, in one atomic step without a copy, at a location that
   * no other commit ever gets: deleting one copy of a blob never affects another. When the promise resolves, the
   * content survives a power cut. Idempotent: a repetition after a crash returns the same. Throws UploadUnknownError,
   * StorageFullError.
   */
  commitUpload(upload: DriverUpload, digest: Digest): Promise<StoredBlob>;

  /** Drops an upload and its bytes; no error when it does not exist. */
  abortUpload(upload: DriverUpload): Promise<void>;

  /** Returns every copy of the content of a digest, in no order. */
  findBlobs(digest: Digest): Promise<readonly StoredFile[]>;

  /** Returns the number of bytes at the blob's location; undefined when there is no such blob. */
  storedSize(blob: StoredBlob): Promise<number | undefined>;

  /**
   * Returns the blob's bytes, or those in `range` (which is within the blob), for a single iteration; the reader may
   * keep chunks. Throws BlobUnknownError before the first byte when there is no such blob.
   */
  readBlob(blob: StoredBlob, range?: ByteRange, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>>;

  /** Deletes the file at the blob's location, though a power cut may bring it back; returns whether there was one. */
  deleteBlob(blob: StoredBlob): Promise<boolean>;

  /** Moves the file at the blob's location to quarantine, for people to examine; succeeds when there is none. */
  setAside(blob: StoredBlob): Promise<void>;

  /** Yields every committed blob, in no order; never a partially written one. */
  listBlobs(signal?: AbortSignal): AsyncIterable<StoredFile>;

  /** Yields uploads with stored bytes, also those unknown to any catalog, with the time of their last append. */
  listUploads(signal?: AbortSignal): AsyncIterable<StoredUpload>;
}

/**
 * Prevents concurrent writes to one upload by several processes: bytes in a file, or a part of an object, could be
 * overwritten by a process whom the catalog refuses only afterwards.
 */
export interface UploadLocks {
  /** Returns an unlock function that does not reject; undefined while another process holds the lock. */
  take(id: string): Promise<(() => Promise<void>) | undefined>;
}
