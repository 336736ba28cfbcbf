/**
 * Small files beside the blobs, such as those from which a lost database is rebuilt. Only the owner of the storage can
 * read them. Every implementation passes test/contract/side-files.ts.
 */
export interface SideFiles {
  /** Lists the names of the files in a folder, in no order; none when there is no such folder. */
  list(folder: string): Promise<readonly string[]>;
  /** Reads a file. Throws when it does not exist. */
  read(folder: string, name: string): Promise<string>;
  /**
   * Writes a new text file in pieces, atomically, also with respect to power cuts. Not reentrant for one folder. Throws
   * StorageFullError.
   */
  write(folder: string, name: string, pieces: AsyncIterable<string>): Promise<void>;
  /** Removes a file; no error when it does not exist. */
  remove(folder: string, name: string): Promise<void>;
}

/** A driver that also stores side files. */
export interface KeepsSideFiles {
  readonly sideFiles: SideFiles;
}
