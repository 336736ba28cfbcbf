import Database from 'better-sqlite3';

/**
 * Tells whether what was read of the catalog still holds. Numbers are of this process: compare those that one
 * CatalogVersion gave, whatever process made the change. Take one before you read: when it is the same later,
 * what was read is what a query would answer now. No call waits; each takes about a microsecond.
 */
export interface CatalogVersion {
  /** Another number after any change of tags or manifests. */
  names(): number;
  /** Another number after any change to the database at all. */
  everything(): number;
  /**
   * Brings both numbers up to what they are after the call, where that is not so at any moment. When it fails, with
   * DatabaseUnavailableError, they are others than any before.
   */
  readonly refresh?: () => Promise<void>;
  close(): Promise<void> | void;
}

/** Of an SQLite catalog that has been opened. A connection of its own sees what every other one commits. */
export function openCatalogVersion(file: string): CatalogVersion {
  const connection = new Database(file, { readonly: true });
  const version = connection.prepare<number>('pragma data_version').pluck();
  const count = connection.prepare<number>('select count from name_changes').pluck();
  let seen: number | undefined;
  let names = 0;
  const everything = () => version.get() as number;
  return {
    everything,
    names: () => {
      const current = everything();
      if (current !== seen) {
        names = count.get() as number;
        seen = current;
      }
      return names;
    },
    close: () => connection.close(),
  };
}
