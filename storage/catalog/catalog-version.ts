import Database from 'better-sqlite3';

/**
 * Shows whether values read from the catalog are still current. Numbers are local to this process: compare those of one
 * CatalogVersion; changes by any process count. Take a number before you read: if it is the same later, a query would
 * still return the same values. No call waits; each takes about a microsecond.
 */
export interface CatalogVersion {
  /** Changes after any change of tags or manifests. */
  names(): number;
  /** Changes after any change to the database. */
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
