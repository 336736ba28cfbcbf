import type { StoredFile } from '../blobs/blob-driver.ts';
import type { GarbageCatalog } from '../catalog/garbage-catalog.ts';
import type { GarbageBlobs } from './collect-garbage.ts';
import { inBatches } from './in-batches.ts';

/** Deletes files older than `ageMs` that nothing names; yields those that it has deleted, now and then. */
export async function* sweepFiles(
  catalog: GarbageCatalog,
  blobs: GarbageBlobs,
  ageMs: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly StoredFile[], void, undefined> {
  const before = Date.now() - ageMs;
  const isOld = ({ storedAt }: StoredFile) => storedAt.getTime() <= before;
  for await (const files of inBatches(blobs.list(signal), isOld)) {
    // The files were seen first: a record that is made from now on is of a file that is younger.
    const named = await catalog.namedOf(files);
    const orphans = files.filter(({ location }) => !named.has(location));
    await Promise.all(orphans.map((file) => blobs.delete(file)));
    yield orphans;
  }
}
