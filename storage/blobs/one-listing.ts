import type { BlobDriver, StoredFile, StoredUpload } from './blob-driver.ts';

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
