import type { BlobDriver, DriverUpload, StoredBlob } from './blob-driver.ts';

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
