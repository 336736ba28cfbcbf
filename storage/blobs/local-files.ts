import type { BlobDriver, StoredBlob } from './blob-driver.ts';

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
}

export function hasLocalFiles(driver: BlobDriver): driver is BlobDriver & LocalFiles {
  return 'openFile' in driver;
}
