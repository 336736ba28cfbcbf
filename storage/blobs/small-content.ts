import type { Digest } from '../../oci/digest.ts';
import type { BlobDriver, StoredBlob } from './blob-driver.ts';

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
