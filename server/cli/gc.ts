import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { openCopy } from '../../storage/catalog/open-copy.ts';
import {
  collectGarbage,
  type GarbagePolicy,
  type GarbageReport,
  type GarbageRun,
} from '../../storage/gc/collect-garbage.ts';
import { garbagePolicy } from '../../storage/gc/garbage-policy.ts';
import { recordCollection } from '../../storage/gc/record-collection.ts';
import { UntouchedBlobs } from '../../storage/gc/untouched-blobs.ts';
import { loadConfig } from '../config/config.ts';
import { parseGrace, parseUploadAge } from '../config/times.ts';
import type { StorageConfig } from '../open-storage.ts';
import { copyToFile } from './catalog-copies.ts';
import { interruption } from './interruption.ts';
import { parseOptions, STORAGE_OPTIONS } from './parse-options.ts';
import { printLine, tellLine } from './printable.ts';
import { byteCount, count, Progress } from './progress.ts';
import { openStoredRegistry, type StoredRegistry } from './stored-registry.ts';

/** How long a garbage collection that seems to run may turn out to be dead, in milliseconds: longer than its lease. */
const PATIENCE = 8_000;

/**
 * `berth gc`: deletes what nothing refers to, beside a running server or without one. Exit code 0 when it has
 * gone through everything, 1 when it was interrupted or another garbage collection runs.
 */
export async function gc(args: readonly string[]): Promise<number> {
  const {
    grace,
    untagged,
    uploads,
    'dry-run': dryRun,
    ...flags
  } = parseOptions(args, {
    ...STORAGE_OPTIONS,
    grace: { type: 'string' },
    uploads: { type: 'string' },
    untagged: { type: 'boolean' },
    'dry-run': { type: 'boolean' },
  });
  const storage = loadConfig({
    flags,
    env: process.env,
    isRoot: process.getuid?.() === 0,
  });
  const policy = garbagePolicy(parseGrace(grace), untagged === true, parseUploadAge(uploads));
  await using registry = await openStoredRegistry(storage);
  const signal = interruption();
  const progress = new Progress();
  const onStep: GarbageRun['onStep'] = (stage, report) => progress.show(`${stage}: ${summary(report)}`);
  try {
    const report = dryRun
      ? await tryOut(registry, storage, policy, { signal, onStep })
      : await collect({ ...registry, policy, signal, onStep });
    progress.clear();
    if (report === undefined) {
      tellLine('berth: another garbage collection is running: nothing was done, try again when it has ended');
      return 1;
    }
    if (!dryRun) await recordCollection(registry.catalog.audit, report);
    printLine(`${dryRun ? 'would delete' : 'deleted'} ${summary(report)}${kept(report)}`);
    return 0;
  } catch (error) {
    progress.clear();
    if (!signal.aborted) throw error;
    tellLine('berth: interrupted: the rest is left to the next garbage collection');
    return 1;
  }
}

/** Waits for a garbage collection that was killed to count as dead. */
async function collect(run: GarbageRun): Promise<GarbageReport | undefined> {
  const giveUpAt = performance.now() + PATIENCE;
  for (;;) {
    const report = await collectGarbage(run);
    if (report !== undefined || performance.now() > giveUpAt) return report;
    await sleep(500, undefined, run.signal && { signal: run.signal });
  }
}

/** Collects the garbage of a copy of the catalog, and no files. */
async function tryOut(
  { database, blobs }: StoredRegistry,
  config: StorageConfig,
  policy: GarbagePolicy,
  run: Pick<GarbageRun, 'signal' | 'onStep'>,
): Promise<GarbageReport | undefined> {
  await using copy = await openCopy(join(config.data, `dry-run-${process.pid}.sqlite`), (file) =>
    copyToFile(config, database, file),
  );
  const catalog = await openCatalog(copy.knex);
  await copy.knex('leases').delete();
  // Awaited here: the copy is closed when this function ends.
  return await collectGarbage({ ...run, catalog, blobs: new UntouchedBlobs(blobs), policy });
}

function summary(report: Readonly<GarbageReport>): string {
  const { manifests, links, blobs, leftovers, uploads, bytes } = report;
  return (
    `${count(manifests, 'manifest')}, ${count(links, 'unused link')}, ${count(blobs, 'blob')}, ` +
    `${count(leftovers, 'leftover file')}, ${count(uploads, 'abandoned upload')}: ${byteCount(bytes)}`
  );
}

/** Explains the space that unfinished uploads hold. */
function kept({ keptUploads, keptUploadBytes }: Readonly<GarbageReport>): string {
  if (keptUploads === 0) return '';
  return (
    `\nkept ${count(keptUploads, 'unfinished upload')} of ${byteCount(keptUploadBytes)}: a client may resume an upload ` +
    'for 24h after its last use; --uploads 0s deletes it now'
  );
}
