import type { Socket } from 'node:net';
import type { Digest } from '../../oci/digest.ts';
import type {
  BlobDriver,
  ByteRange,
  DriverUpload,
  StoredBlob,
  StoredFile,
  StoredUpload,
} from './blob-driver.ts';

/** A blob's file, open for reading. The caller that opened it closes it. */
export interface LocalFile {
  readonly fd: number;
  close(): Promise<void>;
}

/** Additional methods of a BlobDriver whose blobs are files of this machine. */
export interface LocalFiles {
  /**
   * Opens the file that has exactly the blob's bytes, so that the system can send them without this process
   * reading them. Throws BlobUnknownError, and an error when the file has another size.
   */
  openFile(blob: StoredBlob): Promise<LocalFile>;

  /**
   * Like BlobDriver.appendUpload, for bytes that this process does not read: `write` writes them to the descriptor `fd`
   * from `position` on, and returns their number. Throws UploadUnknownError, StorageFullError when `write` fails for
   * lack of space, and other errors of `write`.
   */
  appendFile(
    upload: DriverUpload,
    write: (fd: number, position: number) => Promise<number>,
  ): Promise<DriverUpload>;
}

export function hasLocalFiles(driver: BlobDriver): driver is BlobDriver & LocalFiles {
  return 'openFile' in driver;
}

/** An additional method of a BlobDriver that deletes many blobs in one request. */
export interface BatchDeletes {
  /** Deletes the files at the blobs' locations; succeeds when they are missing. */
  deleteBlobs(blobs: readonly StoredBlob[]): Promise<void>;
}

export function hasBatchDeletes(driver: BlobDriver): driver is BlobDriver & BatchDeletes {
  return 'deleteBlobs' in driver;
}

/** A blob's bytes on a dedicated connection, which the caller closes. */
export interface BlobConnection {
  /** A socket from which nothing is read, and which has a descriptor. */
  readonly socket: Socket;
  /** Bytes that were already read. */
  readonly begun: Uint8Array;
  close(): void;
}

/** An additional method of a BlobDriver whose blobs arrive over unencrypted connections. */
export interface BlobConnections {
  /**
   * Requests the bytes in `range`, which is within the blob. Returns undefined when they do not arrive at once as
   * expected: then `readBlob` reports why, or reads them nevertheless. Throws the signal's reason.
   */
  connectBlob(blob: StoredBlob, range: ByteRange, signal?: AbortSignal): Promise<BlobConnection | undefined>;
}

export function hasBlobConnections(driver: BlobDriver): driver is BlobDriver & BlobConnections {
  return 'connectBlob' in driver;
}

/** Methods of drivers whose device can be full. */
export interface BoundedSpace {
  /** Throws StorageFullError when this many more bytes do not fit on the device. */
  refuseIfTooLarge(bytes: number): Promise<void>;
  /** Frees bytes that an append has written beyond the size of the upload. */
  takeBack(upload: DriverUpload): Promise<void>;
}

export function hasBoundedSpace(driver: BlobDriver): driver is BlobDriver & BoundedSpace {
  return 'refuseIfTooLarge' in driver && 'takeBack' in driver;
}

/** Marks a driver that may lose bytes of unfinished uploads in a power cut. */
export interface LosesUnsynced {
  /** Returns the upload with only the bytes that certainly exist. */
  settled(upload: DriverUpload): DriverUpload;
}

export function losesUnsynced(driver: BlobDriver): driver is BlobDriver & LosesUnsynced {
  return 'settled' in driver;
}

/** A stored blob or upload. */
export type StoredEntry =
  | { readonly kind: 'blob'; readonly file: StoredFile }
  | ({ readonly kind: 'upload' } & StoredUpload);

/** An additional method of a BlobDriver that lists blobs and uploads in one pass. */
export interface OneListing {
  /** Yields everything that listBlobs and listUploads yield, in no order. */
  listStored(signal?: AbortSignal): AsyncIterable<StoredEntry>;
}

export function hasOneListing(driver: BlobDriver): driver is BlobDriver & OneListing {
  return 'listStored' in driver;
}

/** An additional method of a BlobDriver whose blobs clients can download directly. */
export interface SignedDownloads {
  /**
   * Returns a URL at which anybody can GET the blob, whole or in ranges, for some minutes. Does not check whether the
   * blob exists.
   */
  signDownload(blob: StoredBlob): Promise<string>;
}

export function hasSignedDownloads(driver: BlobDriver): driver is BlobDriver & SignedDownloads {
  return 'signDownload' in driver;
}

/** An additional method of a BlobDriver that stores small content more cheaply in one step. */
export interface SmallContent {
  /** Maximum bytes that storeSmall accepts. */
  readonly smallLimit: number;

  /**
   * Combines beginUpload, appendUpload and commitUpload, with the guarantees of commitUpload: above all the content
   * survives a power cut when the promise resolves. `id` is a UUID that no upload has, or that of an empty upload;
   * after a failure this still holds. Throws StorageFullError.
   */
  storeSmall(id: string, digest: Digest, content: Uint8Array): Promise<StoredBlob>;
}

export function takesSmallContent(driver: BlobDriver): driver is BlobDriver & SmallContent {
  return 'storeSmall' in driver;
}
