import { EngineError } from '../errors.ts';

/** The EngineError for an error that says the device is full or over quota; undefined for any other error. */
export function storageFull(error: unknown): EngineError | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return undefined;
  return new EngineError(
    'storage-full',
    'no space is left for the image: free some on the disk of the data folder',
    { cause: error },
  );
}
