import type { BlobDriver, DriverUpload } from './blob-driver.ts';

/** What a driver can do beside BlobDriver when its device can be full. */
export interface BoundedSpace {
  /** Throws StorageFullError when so many bytes more do not fit on the device. */
  refuseIfTooLarge(bytes: number): Promise<void>;
  /** Frees what an append has written beyond the size of the upload. */
  takeBack(upload: DriverUpload): Promise<void>;
}

export function hasBoundedSpace(driver: BlobDriver): driver is BlobDriver & BoundedSpace {
  return 'refuseIfTooLarge' in driver && 'takeBack' in driver;
}
