/**
 * Small files beside the blobs, such as what a lost database is made anew from. Nobody but the owner of the storage can
 * read them. Every implementation passes test/contract/side-files.ts.
 */
export interface SideFiles {
  /** The names of the files in a folder, in no order; none when there is no such folder. */
  list(folder: string): Promise<readonly string[]>;
  /** What a file holds. Throws when it is not there. */
  read(folder: string, name: string): Promise<string>;
  /**
   * Writes a new file of text in pieces. It is there wholly or not at all, also after a power cut. Not to be called twice at once
   * for one folder. Throws StorageFullError.
   */
  write(folder: string, name: string, pieces: AsyncIterable<string>): Promise<void>;
  /** No error when it is gone. */
  remove(folder: string, name: string): Promise<void>;
}

/** A driver that keeps side files as well. */
export interface KeepsSideFiles {
  readonly sideFiles: SideFiles;
}
