import Database from 'better-sqlite3';

/**
 * Tells whether values read from the catalog are still current. Numbers are local to this process: compare those of one
 * CatalogVersion, whatever process made the change. Take one before you read: if it is the same later, a query would
 * still return what was read. No call waits; each takes about a microsecond.
 */
export interface CatalogVersion {
  /** Another number after any change of tags or manifests. */
  names(): number;
  /** Another number after any change to the database at all. */
  everything(): number;
  /**
   * Updates both numbers to the state after the call, if they are not always current. When it fails, with
   * DatabaseUnavailableError, they change.
   */
  readonly refresh?: () => Promise<void>;
  close(): Promise<void> | void;
}

/** Opens the version of an open SQLite catalog. Its own connection sees the commits of all others. */
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
