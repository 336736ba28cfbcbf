import type { BlobDriver, StoredBlob } from './blob-driver.ts';

/** What a driver can do beside BlobDriver when it deletes many blobs in one request. */
export interface BatchDeletes {
  /** Deletes what lies at the blobs' locations; no error when it is gone. */
  deleteBlobs(blobs: readonly StoredBlob[]): Promise<void>;
}

export function hasBatchDeletes(driver: BlobDriver): driver is BlobDriver & BatchDeletes {
  return 'deleteBlobs' in driver;
}
