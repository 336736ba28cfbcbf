/**
 * Keeps processes apart that might write to one upload, where the driver itself cannot: bytes that are in a file
 * can be overwritten by somebody whom the catalog refuses only afterwards.
 */
export interface UploadLocks {
  /** Answers what lets go of the upload; undefined while another process has it. */
  take(id: string): (() => void) | undefined;
}
