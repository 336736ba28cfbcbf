import type { DriverUpload } from '../blobs/blob-driver.ts';
import type { UploadCatalog } from '../catalog/catalog.ts';
import { UploadBusyError } from '../errors.ts';
import type { GarbageBlobs } from './collect-garbage.ts';

/** Uploads that are dropped in one step. */
const STEP = 20;

/** Drops uploads that nobody has touched for `idleMs`; yields how many, now and then. */
export async function* dropIdleUploads(
  uploads: UploadCatalog,
  blobs: GarbageBlobs,
  idleMs: number,
): AsyncGenerator<number, void, undefined> {
  const before = new Date(Date.now() - idleMs);
  for (;;) {
    const idle = await uploads.listIdle(before, STEP);
    if (idle.length === 0) return;
    // The records first, and only while they are idle: whoever goes on with an upload finds out before it ends.
    const ids = idle.map(({ upload }) => upload.id);
    const dropped = await uploads.deleteIdle(ids, before);
    for (const { upload } of idle) if (dropped.has(upload.id)) await abortUnlessBusy(blobs, upload);
    yield dropped.size;
  }
}

/** A request that still writes to it fails at its next step, and what it leaves is swept later. */
export async function abortUnlessBusy(blobs: GarbageBlobs, upload: DriverUpload): Promise<void> {
  try {
    await blobs.abort(upload);
  } catch (error) {
    if (!(error instanceof UploadBusyError)) throw error;
  }
}
