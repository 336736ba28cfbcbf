import type { BlobDriver, DriverUpload } from './blob-driver.ts';

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
