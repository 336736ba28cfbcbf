import type { StoredFile } from '../blobs/blob-driver.ts';
import type { StoredEntry } from '../blobs/one-listing.ts';
import type { GarbageCatalog } from '../catalog/garbage-catalog.ts';
import type { GarbageBlobs } from './collect-garbage.ts';
import { inBatches } from './in-batches.ts';
import { abortUnlessBusy } from './sweep-uploads.ts';

/** What a step has deleted. */
export interface SweptStored {
  readonly files: readonly StoredFile[];
  readonly uploads: number;
  /** Unfinished uploads that it has seen and left alone. */
  readonly kept: { readonly uploads: number; readonly bytes: number };
}

/**
 * Deletes files older than `ageMs` that nothing names, and the bytes of uploads that have no record and got nothing
 * for as long; yields what it has deleted, now and then.
 */
export async function* sweepStored(
  catalog: GarbageCatalog,
  blobs: GarbageBlobs,
  ageMs: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<SweptStored, void, undefined> {
  const before = Date.now() - ageMs;
  const isOld = (entry: StoredEntry) =>
    (entry.kind === 'blob' ? entry.file.storedAt : entry.touchedAt).getTime() <= before;
  let young = { uploads: 0, bytes: 0 };
  const isWanted = (entry: StoredEntry) => {
    if (isOld(entry)) return true;
    if (entry.kind === 'upload')
      young = { uploads: young.uploads + 1, bytes: young.bytes + (entry.size ?? 0) };
    return false;
  };
  for await (const entries of inBatches(blobs.listStored(signal), isWanted)) {
    const files = entries.flatMap((entry) => (entry.kind === 'blob' ? entry.file : []));
    const uploads = entries.flatMap((entry) => (entry.kind === 'upload' ? entry : []));
    const ids = uploads.map(({ id }) => id);
    // They were seen first: a record that is made from now on is of something younger.
    const [named, known] = await Promise.all([catalog.namedOf(files), catalog.knownUploads(ids)]);
    const orphans = files.filter(({ location }) => !named.has(location));
    const lost = ids.filter((id) => !known.has(id));
    for (const id of lost) await abortUnlessBusy(blobs, { id, size: 0, detail: '' });
    await blobs.deleteAll(orphans);
    const kept = uploads.filter(({ id }) => known.has(id));
    const bytes = kept.reduce((sum, { size = 0 }) => sum + size, young.bytes);
    yield { files: orphans, uploads: lost.length, kept: { uploads: young.uploads + kept.length, bytes } };
    young = { uploads: 0, bytes: 0 };
  }
  yield { files: [], uploads: 0, kept: young };
}
