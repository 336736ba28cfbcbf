import type { BlobDriver, StoredBlob } from './blob-driver.ts';

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
