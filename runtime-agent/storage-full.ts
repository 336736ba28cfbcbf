import { EngineError } from './errors.ts';

const CODES: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'STORAGE_FULL', 'SQLITE_FULL']);

/**
 * Returns the EngineError for an error of the system, of storage/ or of SQLite about a full device or an exceeded
 * quota; undefined for any other error.
 */
export function storageFull(error: unknown): EngineError | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  if (!CODES.has(code)) return undefined;
  return new EngineError(
    'storage-full',
    'no space is left on the disk of the data folder: free some, for example by docker system prune',
    { cause: error },
  );
}
