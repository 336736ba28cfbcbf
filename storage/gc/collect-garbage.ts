import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { inBatches } from '../../lib/streams/in-batches.ts';
import type { DriverUpload, StoredBlob, StoredFile } from '../blobs/blob-driver.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { StoredEntry } from '../blobs/driver-capabilities.ts';
import type { Catalog, UploadCatalog } from '../catalog/catalog.ts';
import type { GarbageCatalog, SweepWindow, Swept } from '../catalog/garbage-catalog.ts';
import { UploadBusyError } from '../errors.ts';
import { GarbageLease } from './garbage-lease.ts';

/** Rows that one step examines: about a millisecond's work. */
export const SWEEP_WINDOW = 250;
/** Maximum blobs that are deleted together: as many as one request to S3 accepts. */
const DELETED_AT_ONCE = 500;

/** Maximum pause in milliseconds: other writers get as much time as a step has blocked them, up to this. */
const LONGEST_PAUSE = 50;

/** The methods of a content store that garbage collection needs. */
export type GarbageBlobs = Pick<BlobStore, 'abort' | 'deleteAll' | 'listStored'>;

export interface GarbagePolicy {
  /** Milliseconds for which unreferenced content is kept, from its push or the loss of its last reference. */
  readonly graceMs: number;
  /** Whether manifests without a tag are garbage; members of indexes and referrers of kept manifests are not. */
  readonly untagged: boolean;
  /** Milliseconds for which unrecorded files are kept; at least twice the CLAIM_TIME of ContentStore. */
  readonly orphanAgeMs: number;
  /** Milliseconds for which the history of a deleted tag is kept, and with it its repository. */
  readonly historyMs: number;
  /** Milliseconds after which an idle upload is dropped. */
  readonly idleUploadMs: number;
}

/** The deletions of a garbage collection so far. */
export interface GarbageReport {
  manifests: number;
  /** Blobs of a repository that nothing in it referred to. */
  links: number;
  blobs: number;
  /** Total bytes of blobs and leftovers. */
  bytes: number;
  /** Unreferenced files of interrupted pushes and sweeps. */
  leftovers: number;
  uploads: number;
  /** Number of unfinished uploads that are kept for their clients. */
  keptUploads: number;
  /** Bytes of those uploads, as far as the storage reports them. */
  keptUploadBytes: number;
  /** Lines of the history of tags. */
  tagChanges: number;
  /** Empty repositories. */
  repositories: number;
}

export type GarbageStage =
  | 'manifests'
  | 'links'
  | 'history'
  | 'repositories'
  | 'blobs'
  | 'uploads'
  | 'leftovers';

export interface GarbageRun {
  readonly catalog: Pick<Catalog, 'garbage' | 'uploads'>;
  readonly blobs: GarbageBlobs;
  readonly policy: GarbagePolicy;
  readonly signal?: AbortSignal;
  /** Called after every step. */
  readonly onStep?: (stage: GarbageStage, report: Readonly<GarbageReport>) => void;
}

/**
 * Deletes unreferenced content while the registry runs, in this process or in others: ContentStore explains why nothing
 * is lost. It works in steps of a few milliseconds and yields to others in between. Returns undefined, having done
 * nothing, while another garbage collection runs. Throws LeaseLostError when it was stopped for so long that another
 * one has taken over; the signal's reason; errors of the device. It may be interrupted at any moment: the next one
 * continues.
 */
export async function collectGarbage(run: GarbageRun): Promise<GarbageReport | undefined> {
  const lease = await GarbageLease.take(run.catalog.garbage);
  if (lease === undefined) return undefined;
  try {
    return await sweepAll(run, lease);
  } finally {
    await lease.drop();
  }
}

async function sweepAll(run: GarbageRun, lease: GarbageLease): Promise<GarbageReport> {
  const { blobs, policy } = run;
  const { garbage, uploads } = run.catalog;
  const report: GarbageReport = {
    manifests: 0,
    links: 0,
    blobs: 0,
    bytes: 0,
    leftovers: 0,
    uploads: 0,
    keptUploads: 0,
    keptUploadBytes: 0,
    tagChanges: 0,
    repositories: 0,
  };
  const after = async (stage: GarbageStage) => {
    run.onStep?.(stage, report);
    await turn();
    run.signal?.throwIfAborted();
    await lease.renew();
  };
  const walk = async <Item>(
    stage: GarbageStage,
    step: (window: SweepWindow) => Promise<Swept<Item>>,
    take: (items: readonly Item[]) => Promise<void> | void,
  ) => {
    for (let next: string | undefined = ''; next !== undefined; ) {
      const window = { lease: lease.lease, limit: SWEEP_WINDOW, ...(next !== '' && { after: next }) };
      const began = performance.now();
      const swept: Swept<Item> = await step(window);
      if (swept.items.length > 0) await sleep(Math.min(performance.now() - began, LONGEST_PAUSE));
      await take(swept.items);
      await after(stage);
      next = swept.next;
    }
  };
  const graceBegan = () => new Date(Date.now() - policy.graceMs);

  run.signal?.throwIfAborted();
  if (policy.untagged) {
    // Deleting an index may leave its members unreferenced.
    for (let before = -1; before !== report.manifests; ) {
      before = report.manifests;
      await walk(
        'manifests',
        (window) => garbage.sweepManifests(window, graceBegan()),
        (items) => {
          report.manifests += items.length;
        },
      );
    }
  }
  await walk(
    'links',
    (window) => garbage.sweepLinks(window, graceBegan()),
    (items) => {
      report.links += items.length;
    },
  );
  await walk(
    'history',
    (window) => garbage.sweepHistory(window, new Date(Date.now() - policy.historyMs)),
    (items) => {
      report.tagChanges += items.length;
    },
  );
  await walk(
    'repositories',
    (window) => garbage.sweepRepositories(window, graceBegan()),
    (items) => {
      report.repositories += items.length;
    },
  );
  // Their records are deleted, and nothing creates new ones for these locations.
  let unrecorded: readonly StoredBlob[] = [];
  const deleteUnrecorded = async (atLeast: number) => {
    if (unrecorded.length < atLeast) return;
    await blobs.deleteAll(unrecorded);
    report.blobs += unrecorded.length;
    for (const { size } of unrecorded) report.bytes += size;
    unrecorded = [];
  };
  await walk(
    'blobs',
    (window) => garbage.sweepBlobs(window, graceBegan()),
    async (items) => {
      unrecorded = [...unrecorded, ...items];
      await deleteUnrecorded(DELETED_AT_ONCE);
    },
  );
  await deleteUnrecorded(1);
  for await (const dropped of dropIdleUploads(uploads, blobs, policy.idleUploadMs)) {
    report.uploads += dropped;
    await after('uploads');
  }
  // Last: an upload that was dropped may have been committed and not recorded.
  for await (const swept of sweepStored(garbage, blobs, policy.orphanAgeMs, run.signal)) {
    report.uploads += swept.uploads;
    report.keptUploads += swept.kept.uploads;
    report.keptUploadBytes += swept.kept.bytes;
    report.leftovers += swept.files.length;
    for (const { size } of swept.files) report.bytes += size;
    await after('leftovers');
  }
  return report;
}

/** Uploads that are dropped in one step. */
const STEP = 20;

/** Drops uploads that were idle for `idleMs`; yields their number from time to time. */
async function* dropIdleUploads(
  uploads: UploadCatalog,
  blobs: GarbageBlobs,
  idleMs: number,
): AsyncGenerator<number, void, undefined> {
  const before = new Date(Date.now() - idleMs);
  for (;;) {
    const idle = await uploads.listIdle(before, STEP);
    if (idle.length === 0) return;
    // The records first, and only while they are idle: a client that continues an upload is refused before its end.
    const ids = idle.map(({ upload }) => upload.id);
    const dropped = await uploads.deleteIdle(ids, before);
    for (const { upload } of idle) if (dropped.has(upload.id)) await abortUnlessBusy(blobs, upload);
    yield dropped.size;
  }
}

/** Aborts an upload; a request that still writes to it fails at its next step, and a later sweep deletes the rest. */
export async function abortUnlessBusy(blobs: GarbageBlobs, upload: DriverUpload): Promise<void> {
  try {
    await blobs.abort(upload);
  } catch (error) {
    if (!(error instanceof UploadBusyError)) throw error;
  }
}

/** The deletions of a step. */
interface SweptStored {
  readonly files: readonly StoredFile[];
  readonly uploads: number;
  /** Unfinished uploads that it has kept. */
  readonly kept: { readonly uploads: number; readonly bytes: number };
}

/**
 * Deletes unrecorded files older than `ageMs`, and the bytes of uploads without a record that were idle for as long;
 * yields its deletions from time to time.
 */
async function* sweepStored(
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
    // The files were listed first: a record made from now on belongs to a newer file.
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
