import { inBatches } from '../../lib/streams/in-batches.ts';
import { checkBlobs } from './check-blobs.ts';
import { checkManifests } from './check-manifests.ts';
import type { CheckRun, CheckSummary } from './findings.ts';

/**
 * Verifies that everything the catalog promises exists: the file of every blob with its size and digest, the references
 * of every manifest, the database itself and its counters. May run beside a server, even with repairs. Throws the
 * signal's reason.
 */
export async function checkStore(run: CheckRun): Promise<CheckSummary> {
  const summary: CheckSummary = {
    blobs: 0,
    bytes: 0,
    manifests: 0,
    leftovers: 0,
    leftoverBytes: 0,
    uploads: 0,
  };
  for (const message of await run.catalog.check.databaseErrors()) {
    run.onFinding({ kind: 'database', message, outcome: 'kept' });
  }
  for await (const finding of checkBlobs(run, summary)) run.onFinding(finding);
  for await (const finding of checkManifests(run, summary)) run.onFinding(finding);
  for (const { pattern, counted, actual } of await run.catalog.quotas.check(run.repair)) {
    const message = `the quota of ${pattern} counts ${counted} bytes, but there are ${actual}`;
    run.onFinding({ kind: 'database', message, outcome: run.repair ? 'mended' : 'kept' });
  }
  await countLeftovers(run, summary);
  return summary;
}

async function countLeftovers({ blobs, catalog, signal }: CheckRun, summary: CheckSummary): Promise<void> {
  for await (const entries of inBatches(blobs.listStored(signal), () => true)) {
    const files = entries.flatMap((entry) => (entry.kind === 'blob' ? entry.file : []));
    const ids = entries.flatMap((entry) => (entry.kind === 'upload' ? entry.id : []));
    const [named, known] = await Promise.all([
      catalog.garbage.namedOf(files),
      catalog.garbage.knownUploads(ids),
    ]);
    for (const { location, size } of files) {
      if (named.has(location)) continue;
      summary.leftovers += 1;
      summary.leftoverBytes += size;
    }
    summary.uploads += ids.length - known.size;
  }
}
