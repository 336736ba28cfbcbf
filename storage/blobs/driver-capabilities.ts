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

/** A blob's file, open for reading. It belongs to whoever opened it. */
export interface LocalFile {
  readonly fd: number;
  close(): Promise<void>;
}

/** What a driver can do beside BlobDriver when its blobs are whole files of this machine. */
export interface LocalFiles {
  /**
   * Opens the file that has exactly the blob's bytes, so that the system can send them without this process
   * reading them. Throws BlobUnknownError, and an error when the file has another size.
   */
  openFile(blob: StoredBlob): Promise<LocalFile>;

  /**
   * As BlobDriver.appendUpload, for bytes that this process does not see: `write` puts them into the file that is open
   * as `fd`, from `position` on, and answers how many. Throws UploadUnknownError, StorageFullError when `write`
   * fails with the system's error for that, and what else it fails with.
   */
  appendFile(
    upload: DriverUpload,
    write: (fd: number, position: number) => Promise<number>,
  ): Promise<DriverUpload>;
}

export function hasLocalFiles(driver: BlobDriver): driver is BlobDriver & LocalFiles {
  return 'openFile' in driver;
}

/** What a driver can do beside BlobDriver when it deletes many blobs in one request. */
export interface BatchDeletes {
  /** Deletes what lies at the blobs' locations; no error when it is gone. */
  deleteBlobs(blobs: readonly StoredBlob[]): Promise<void>;
}

export function hasBatchDeletes(driver: BlobDriver): driver is BlobDriver & BatchDeletes {
  return 'deleteBlobs' in driver;
}

/** A blob's bytes on their way over a connection that carries nothing else. It belongs to whoever asked for it. */
export interface BlobConnection {
  /** Nothing is read from it, and it has a descriptor. */
  readonly socket: Socket;
  /** What has been read of the bytes already. */
  readonly begun: Uint8Array;
  close(): void;
}

/** What a driver can do beside BlobDriver when its blobs come over connections that are not encrypted. */
export interface BlobConnections {
  /**
   * Asks for the bytes in `range`, which lies within the blob. Undefined when they do not come at once as they should:
   * then `readBlob` tells why, or gets them after all. Throws the signal's reason.
   */
  connectBlob(blob: StoredBlob, range: ByteRange, signal?: AbortSignal): Promise<BlobConnection | undefined>;
}

export function hasBlobConnections(driver: BlobDriver): driver is BlobDriver & BlobConnections {
  return 'connectBlob' in driver;
}

/** Methods of drivers whose device can be full. */
export interface BoundedSpace {
  /** Throws StorageFullError when so many bytes more do not fit on the device. */
  refuseIfTooLarge(bytes: number): Promise<void>;
  /** Frees bytes that an append has written beyond the size of the upload. */
  takeBack(upload: DriverUpload): Promise<void>;
}

export function hasBoundedSpace(driver: BlobDriver): driver is BlobDriver & BoundedSpace {
  return 'refuseIfTooLarge' in driver && 'takeBack' in driver;
}

/** A driver of which a power cut may take bytes of unfinished uploads. */
export interface LosesUnsynced {
  /** The upload with as many bytes as are certainly there. */
  settled(upload: DriverUpload): DriverUpload;
}

export function losesUnsynced(driver: BlobDriver): driver is BlobDriver & LosesUnsynced {
  return 'settled' in driver;
}

/** Something that a driver holds. */
export type StoredEntry =
  | { readonly kind: 'blob'; readonly file: StoredFile }
  | ({ readonly kind: 'upload' } & StoredUpload);

/** What a driver can do beside BlobDriver when it finds blobs and uploads in one pass over its storage. */
export interface OneListing {
  /** What listBlobs and listUploads yield, in no order. */
  listStored(signal?: AbortSignal): AsyncIterable<StoredEntry>;
}

export function hasOneListing(driver: BlobDriver): driver is BlobDriver & OneListing {
  return 'listStored' in driver;
}

/** What a driver can do beside BlobDriver when clients can fetch its blobs themselves. */
export interface SignedDownloads {
  /**
   * An address from which whoever has it can GET the blob, whole or in ranges, for some minutes. Asks nobody
   * whether the blob is there.
   */
  signDownload(blob: StoredBlob): Promise<string>;
}

export function hasSignedDownloads(driver: BlobDriver): driver is BlobDriver & SignedDownloads {
  return 'signDownload' in driver;
}

/** What a driver can do beside BlobDriver when small content costs it less in one step than as an upload. */
export interface SmallContent {
  /** The most bytes that storeSmall takes. */
  readonly smallLimit: number;

  /**
   * beginUpload, appendUpload and commitUpload in one, with what commitUpload promises: above all that the content
   * survives a power cut when the promise resolves. `id` is a UUID that no upload has, or that of one which has begun
   * and got nothing; after a failure that is still so. Throws StorageFullError.
   */
  storeSmall(id: string, digest: Digest, content: Uint8Array): Promise<StoredBlob>;
}

export function takesSmallContent(driver: BlobDriver): driver is BlobDriver & SmallContent {
  return 'storeSmall' in driver;
}
