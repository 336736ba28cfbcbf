import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../../storage/catalog/database.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { openCopy } from '../../storage/catalog/open-copy.ts';
import {
  collectGarbage,
  type GarbagePolicy,
  type GarbageReport,
  type GarbageRun,
  type GarbageStage,
  SWEEP_WINDOW,
} from '../../storage/gc/collect-garbage.ts';
import { garbagePolicy } from '../../storage/gc/garbage-policy.ts';
import { recordCollection } from '../../storage/gc/record-collection.ts';
import { UntouchedBlobs } from '../../storage/gc/untouched-blobs.ts';
import { parseGrace, parseUploadAge } from '../config/times.ts';
import type { StorageConfig } from '../open-storage.ts';
import { copyToFile } from './catalog-copies.ts';
import { interruption } from './interruption.ts';
import { parseOptions, STORAGE_OPTIONS } from './parse-options.ts';
import { tellLine } from './printable.ts';
import { type Amount, byteCount, count, Progress } from './progress.ts';
import { FORMAT_OPTION, parseFormat, printOne } from './remote/table.ts';
import { loadStoredConfig } from './stored-config.ts';
import { openStoredRegistry, type StoredRegistry } from './stored-registry.ts';

/** Milliseconds to wait in case a garbage collection that seems to run is dead: longer than its lease. */
const PATIENCE = 8_000;

/**
 * `berth gc`: deletes unreferenced content, whether or not a server is running. Exit code 0 when it is complete, 1 when
 * it was interrupted or another garbage collection is running.
 */
export async function gc(args: readonly string[]): Promise<number> {
  const {
    grace,
    untagged,
    uploads,
    'dry-run': dryRun,
    format: wanted,
    ...flags
  } = parseOptions(args, {
    ...STORAGE_OPTIONS,
    ...FORMAT_OPTION,
    grace: { type: 'string' },
    uploads: { type: 'string' },
    untagged: { type: 'boolean' },
    'dry-run': { type: 'boolean' },
  });
  const format = parseFormat(wanted);
  const storage = loadStoredConfig(flags);
  const policy = garbagePolicy(parseGrace(grace), untagged === true, parseUploadAge(uploads));
  await using registry = await openStoredRegistry(storage);
  const signal = interruption();
  const progress = new Progress();
  const stages = new GarbageStages(await rowsOf(registry.database));
  const onStep: GarbageRun['onStep'] = (stage, report) =>
    progress.show(`${stage} (${summary(report)})`, stages.step(stage));
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
    printOne(format, { dryRun: dryRun === true, ...report }, () => [
      `${dryRun ? 'would delete' : 'deleted'} ${summary(report)}`,
      ...kept(report),
    ]);
    return 0;
  } catch (error) {
    progress.clear();
    if (!signal.aborted) throw error;
    tellLine('berth: interrupted: the rest is left to the next garbage collection');
    return 1;
  }
}

/** Waits until a garbage collection that was killed counts as dead. */
async function collect(run: GarbageRun): Promise<GarbageReport | undefined> {
  const giveUpAt = performance.now() + PATIENCE;
  for (;;) {
    const report = await collectGarbage(run);
    if (report !== undefined || performance.now() > giveUpAt) return report;
    await sleep(500, undefined, run.signal && { signal: run.signal });
  }
}

/** Tries a garbage collection on a copy of the catalog; deletes no files. */
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
function kept({ keptUploads, keptUploadBytes }: Readonly<GarbageReport>): readonly string[] {
  if (keptUploads === 0) return [];
  return [
    `kept ${count(keptUploads, 'unfinished upload')} of ${byteCount(keptUploadBytes)}: a client may resume an upload ` +
      'for 24h after its last use; --uploads 0s deletes it now',
  ];
}

/** Returns the number of rows of the tables that stages process in windows. */
async function rowsOf(database: Database): Promise<ReadonlyMap<string, number>> {
  const tables = {
    manifests: 'manifests',
    links: 'blob_links',
    history: 'tag_history',
    repositories: 'repositories',
    blobs: 'blobs',
  };
  const rows = new Map<string, number>();
  for (const [stage, table] of Object.entries(tables)) {
    const found = await database(table).count({ rows: '*' }).first();
    rows.set(stage, Number(found?.rows ?? 0));
  }
  return rows;
}

/** Progress of a garbage collection through its stages; the last ones have no total. */
class GarbageStages {
  readonly #rows: ReadonlyMap<string, number>;
  readonly #total: number;
  #stage = '';
  #before = 0;
  #steps = 0;

  constructor(rows: ReadonlyMap<string, number>) {
    this.#rows = rows;
    this.#total = [...rows.values()].reduce((sum, count) => sum + count, 0);
  }

  step(stage: GarbageStage): Amount {
    if (stage !== this.#stage) {
      this.#before += this.#rows.get(this.#stage) ?? 0;
      this.#stage = stage;
      this.#steps = 0;
    }
    this.#steps += 1;
    const done = this.#before + Math.min(this.#steps * SWEEP_WINDOW, this.#rows.get(stage) ?? 0);
    return { done: Math.min(done, this.#total), total: this.#total, unit: 'records' };
  }
}
