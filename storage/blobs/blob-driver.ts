import type { Digest } from '../../oci/digest.ts';

/** Bytes `start` to `end`, both included, counted from 0. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** A blob that a driver holds. `location` means something to the driver that made it, and to nobody else. */
export interface StoredBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly location: string;
}

/** A blob as it lies in the store, whether or not a catalog knows it. */
export interface StoredFile extends StoredBlob {
  /** The upload that was committed to this location. */
  readonly uploadId: string;
  /** When that was, by the storage's clock. */
  readonly storedAt: Date;
}

/** An upload that has bytes in the store, whether or not a catalog knows it. */
export interface StoredUpload {
  readonly id: string;
  /** When it got bytes last, by the storage's clock. */
  readonly touchedAt: Date;
  /** Bytes; undefined where the storage does not tell. */
  readonly size?: number;
}

/**
 * An upload as a value: whoever has it can go on with the upload, in this process or another.
 * It can be written as JSON.
 */
export interface DriverUpload {
  readonly id: string;
  /** Bytes that the driver has taken and will keep. */
  readonly size: number;
  /** The driver's own, opaque to others; '' where a driver needs nothing. */
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
 * last append returned, which the caller keeps; the driver remembers nothing of it. For example, a push in two requests:
 *
 *     let upload = await driver.beginUpload(randomUUID());
 *     upload = await driver.appendUpload(upload, firstBody);
 *     upload = await driver.appendUpload(upload, secondBody); // in another process, if need be
 *     const blob = await driver.commitUpload(upload, digest);
 *     for await (const chunk of await driver.readBlob(blob)) response.write(chunk);
 *     await driver.deleteBlob(blob);
 *
 * If an append fails, the DriverUpload from before it stays valid, and the next append overwrites the partial bytes.
 */
export interface BlobDriver {
  /**
   * Begins an empty upload. `id` is a UUID that no other upload of this driver has. A driver may keep nothing until the
   * first append, and then knows every empty upload: UploadUnknownError is certain only where bytes are missing.
   */
  beginUpload(id: string): Promise<DriverUpload>;

  /**
   * Writes `content` after the first `upload.size` bytes, and drops what an interrupted append left
   * beyond them. Memory stays bounded whatever the length; a chunk's memory is its sender's again when the
   * next chunk is asked for. When `content` or the device fails, the
   * promise rejects and `upload` as given stays valid. Not to be called twice at once for one upload.
   * Throws UploadUnknownError, StorageFullError.
   */
  appendUpload(
    upload: DriverUpload,
    content: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<DriverUpload>;

  /** The first `upload.size` bytes of an upload. Throws UploadUnknownError. */
  readUpload(upload: DriverUpload, signal?: AbortSignal): AsyncIterable<Uint8Array>;

  /**
   * Makes the first `upload.size` bytes the content of `digest`, in one atomic step that copies no bytes, at a
   * location that no other commit has had or will have: whoever deletes one copy of a blob can never hit
   * another. When the promise resolves the content survives a power cut. Committing again after a crash is
   * harmless and answers the same. Throws UploadUnknownError, StorageFullError.
   */
  commitUpload(upload: DriverUpload, digest: Digest): Promise<StoredBlob>;

  /** Drops an upload and its bytes; no error when it is gone. */
  abortUpload(upload: DriverUpload): Promise<void>;

  /** Every copy of the content of a digest, in no order. */
  findBlobs(digest: Digest): Promise<readonly StoredFile[]>;

  /** How many bytes lie at the blob's location now; undefined when nothing does. */
  storedSize(blob: StoredBlob): Promise<number | undefined>;

  /**
   * The blob's bytes, or those in `range` (which lies within the blob), to be iterated once; chunks are the
   * reader's to keep. Throws BlobUnknownError before the first byte when there is no such blob.
   */
  readBlob(blob: StoredBlob, range?: ByteRange, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>>;

  /** Deletes what lies at the blob's location, unless a power cut brings it back; answers whether there was something. */
  deleteBlob(blob: StoredBlob): Promise<boolean>;

  /** Takes what lies at the blob's location out of the store and keeps it for people to look at; no error when it is gone. */
  setAside(blob: StoredBlob): Promise<void>;

  /** Every committed blob, in no order, never one that is half written. */
  listBlobs(signal?: AbortSignal): AsyncIterable<StoredFile>;

  /** Uploads that have bytes here, also those that no catalog knows, with the time of their last append. */
  listUploads(signal?: AbortSignal): AsyncIterable<StoredUpload>;
}

/**
 * Keeps processes apart that might write to one upload: bytes in a file, or a part of an object, can be overwritten by
 * somebody whom the catalog refuses only afterwards.
 */
export interface UploadLocks {
  /** Answers what lets go of the upload, and does not reject; undefined while another process has it. */
  take(id: string): Promise<(() => Promise<void>) | undefined>;
}
