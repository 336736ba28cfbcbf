import type { StoredBlob } from '../blobs/blob-driver.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import { CLAIM_TIME } from '../content-store.ts';
import type { CheckRun, CheckSummary, Finding, Outcome } from './findings.ts';
import { verifyFile } from './verify-file.ts';

const AT_ONCE = 100;

/** Reads the file of every recorded blob. */
export async function* checkBlobs(
  run: CheckRun,
  summary: CheckSummary,
): AsyncGenerator<Finding, void, undefined> {
  for (let after: string | undefined, first = true; first || after !== undefined; first = false) {
    const { items, next } = await run.catalog.check.listBlobs(after, AT_ONCE);
    for (const blob of items) {
      const message = await verifyFile(run.blobs, blob, run.signal, (count) => {
        summary.bytes += count;
        run.onProgress?.(summary);
      });
      summary.blobs += 1;
      if (message === undefined) continue;
      // A sweep, or a push that found the file broken, may have changed it meanwhile.
      const recorded = await run.catalog.blobs.findAnywhere(blob.digest);
      if (recorded?.location !== blob.location) continue;
      const dependants = await run.catalog.check.dependants(blob.digest);
      const outcome = run.repair ? await mend(run, blob) : 'kept';
      yield { kind: 'blob', blob, message, dependants, outcome };
    }
    after = next;
  }
}

async function mend({ blobs, catalog, signal }: CheckRun, damaged: StoredBlob): Promise<Outcome> {
  for (const copy of await blobs.copies(damaged.digest)) {
    if (copy.location === damaged.location) continue;
    const fresh = await copyOf(blobs, copy, signal);
    if (fresh === undefined) continue;
    const until = new Date(Date.now() + CLAIM_TIME);
    if (await catalog.blobs.relocate(damaged, fresh, { kind: 'deadline', until })) {
      await blobs.setAside(damaged);
      return 'mended';
    }
    await blobs.delete(fresh);
  }
  if (!(await catalog.check.forget(damaged))) return 'mended';
  await blobs.setAside(damaged);
  return 'removed';
}

/**
 * Makes a new file, since a sweep may delete an old unreferenced one at any moment; returns undefined when the copy is
 * broken too.
 */
async function copyOf(
  blobs: BlobStore,
  copy: StoredBlob,
  signal: AbortSignal | undefined,
): Promise<StoredBlob | undefined> {
  if ((await verifyFile(blobs, copy, signal, () => {})) !== undefined) return undefined;
  return blobs.put(await blobs.read(copy, undefined, signal), copy.digest, signal);
}
