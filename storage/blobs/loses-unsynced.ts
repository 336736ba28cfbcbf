import type { BlobDriver, DriverUpload } from './blob-driver.ts';

/** A driver of which a power cut may take bytes of unfinished uploads. */
export interface LosesUnsynced {
  /** The upload with as many bytes as are certainly there. */
  settled(upload: DriverUpload): DriverUpload;
}

export function losesUnsynced(driver: BlobDriver): driver is BlobDriver & LosesUnsynced {
  return 'settled' in driver;
}
