/**
 * Keeps processes apart that might write to one upload: bytes in a file, or a part of an object, can be overwritten by
 * somebody whom the catalog refuses only afterwards.
 */
export interface UploadLocks {
  /** Answers what lets go of the upload, and does not reject; undefined while another process has it. */
  take(id: string): Promise<(() => Promise<void>) | undefined>;
}
