import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { StoredBlob } from '../blobs/blob-driver.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { SweepWindow, Swept } from '../catalog/garbage-catalog.ts';
import { GarbageLease } from './garbage-lease.ts';
import { sweepStored } from './sweep-stored.ts';
import { dropIdleUploads } from './sweep-uploads.ts';

/** Rows that one step looks at: about a millisecond's work. */
const WINDOW = 250;
/** Blobs that are deleted in one go: what one request to S3 takes. */
const DELETED_AT_ONCE = 500;

/** Milliseconds: for as long as a step has kept others from writing they get their turn, but no longer than this. */
const LONGEST_PAUSE = 50;

/** What garbage collection needs of a store of content. */
export type GarbageBlobs = Pick<BlobStore, 'abort' | 'deleteAll' | 'listStored'>;

export interface GarbagePolicy {
  /** Milliseconds for which what nothing refers to is kept, from when it was pushed or lost what referred to it. */
  readonly graceMs: number;
  /** Whether manifests without a tag go too; members of indexes and referrers of what stays are no garbage. */
  readonly untagged: boolean;
  /** Milliseconds for which files that nothing names are kept; at least twice the CLAIM_TIME of ContentStore. */
  readonly orphanAgeMs: number;
  /** Milliseconds for which what a tag pointed at is known after it was deleted, and so its repository is. */
  readonly historyMs: number;
  /** Milliseconds after which an upload that nobody goes on with is dropped. */
  readonly idleUploadMs: number;
}

/** What a garbage collection has deleted so far. */
export interface GarbageReport {
  manifests: number;
  /** Blobs that a repository had and nothing in it referred to. */
  links: number;
  blobs: number;
  /** Of blobs and leftovers together. */
  bytes: number;
  /** Files that nothing named, of interrupted pushes and sweeps. */
  leftovers: number;
  uploads: number;
  /** Unfinished uploads that are kept for their clients. */
  keptUploads: number;
  /** Of those, as far as the storage tells. */
  keptUploadBytes: number;
  /** Lines of the history of tags. */
  tagChanges: number;
  /** Repositories that had become empty. */
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
 * Deletes what nothing refers to, while the registry runs, in this process or in others: ContentStore says why
 * nothing is lost. It works in steps of a few milliseconds and lets others work in between. Answers undefined,
 * having done nothing, while another garbage collection runs. Throws LeaseLostError when it was held up for so
 * long that another one has taken over; the signal's reason; what the device fails with. It may be stopped at
 * any moment: the next one goes on.
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
      const window = { lease: lease.lease, limit: WINDOW, ...(next !== '' && { after: next }) };
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
    // An index that goes leaves its members without anything that refers to them.
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
  // Their records have gone and nobody makes new ones of these locations.
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
