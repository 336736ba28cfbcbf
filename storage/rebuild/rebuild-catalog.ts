import { type Digest, digestHex } from '../../oci/digest.ts';
import { OciError } from '../../oci/errors.ts';
import { MAX_MANIFEST_SIZE, readManifest } from '../../oci/manifest.ts';
import type { StoredBlob } from '../blobs/blob-driver.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Catalog, ManifestRecord, NameLine } from '../catalog/catalog.ts';
import { recordedFields } from '../content-store.ts';
import { StorageError } from '../errors.ts';
import { verifyFile } from '../fsck/verify-file.ts';

/** Repository for manifests that no snapshot names. */
export const RECOVERED = 'recovered';

export interface RebuildRun {
  /** Must be empty. */
  readonly catalog: Catalog;
  readonly blobs: BlobStore;
  readonly names: readonly NameLine[];
  readonly signal?: AbortSignal;
  /** Called with a sentence about content that cannot be restored, or whose name is unknown. */
  readonly onProblem: (problem: string) => void;
  readonly onFile: (count: number) => void;
}

export interface RebuildReport {
  blobs: number;
  manifests: number;
  tags: number;
  /** Manifests that no snapshot names; they are in the repository `recovered`. */
  recovered: number;
  problems: number;
}

/**
 * Fills an empty catalog from the content of a store, every byte of which is verified, and from names. Content that no
 * manifest needs gets no record: garbage collection deletes it. Throws the signal's reason.
 */
export async function rebuildCatalog(run: RebuildRun): Promise<RebuildReport> {
  const report: RebuildReport = { blobs: 0, manifests: 0, tags: 0, recovered: 0, problems: 0 };
  const onProblem = (problem: string) => {
    report.problems += 1;
    run.onProblem(problem);
  };
  const files = await findIntactFiles(
    run.blobs,
    (blob, message) => onProblem(`${blob.location} is damaged: ${message}`),
    run.onFile,
    run.signal,
  );
  report.blobs = files.blobs.size;
  const named = await restoreNamed(run, files, report, onProblem);
  await restoreUnnamed(run, files, named, report, onProblem);
  return report;
}

async function restoreNamed(
  run: RebuildRun,
  files: IntactFiles,
  report: RebuildReport,
  onProblem: (problem: string) => void,
): Promise<ReadonlySet<Digest>> {
  const tagsOf = new Map<string, string[]>();
  for (const line of run.names) {
    if (!('tag' in line)) continue;
    const key = `${line.repository}@${line.manifest}`;
    tagsOf.set(key, [...(tagsOf.get(key) ?? []), line.tag]);
  }
  const named = new Set<Digest>();
  for (const line of run.names) {
    if (!('mediaType' in line)) continue;
    run.signal?.throwIfAborted();
    const { repository, manifest, mediaType } = line;
    const tags = tagsOf.get(`${repository}@${manifest}`) ?? [];
    const record = await readRecord(run, files, manifest, mediaType);
    const missing = record === undefined ? [manifest] : lacking(files, record);
    if (record === undefined || missing.length > 0) {
      const names =
        tags.length === 0
          ? `${repository}@${manifest}`
          : tags.map((tag) => `${repository}:${tag}`).join(', ');
      onProblem(`${names} cannot be restored: ${missing.join(', ')} is lost`);
      continue;
    }
    await restore(run, files, repository, record, tags);
    named.add(manifest);
    report.manifests += 1;
    report.tags += tags.length;
  }
  for (const line of run.names) {
    if ('description' in line) await run.catalog.repositories.describe(line.repository, line.description);
  }
  return named;
}

async function restoreUnnamed(
  run: RebuildRun,
  files: IntactFiles,
  named: ReadonlySet<Digest>,
  report: RebuildReport,
  onProblem: (problem: string) => void,
): Promise<void> {
  const records = new Map<Digest, ManifestRecord>();
  const members = new Set<Digest>();
  for (const digest of files.manifests) {
    const record = await readRecord(run, files, digest, undefined);
    if (record === undefined) continue;
    for (const reference of record.references)
      if (reference.kind === 'manifest') members.add(reference.digest);
    if (!named.has(digest)) records.set(digest, record);
  }
  for (const [digest, record] of records) {
    run.signal?.throwIfAborted();
    const missing = lacking(files, record);
    if (missing.length > 0) {
      onProblem(`the unnamed manifest ${digest} is skipped: ${missing.join(', ')} is lost`);
      continue;
    }
    const tags = members.has(digest) ? [] : [`unnamed-${digestHex(digest).slice(0, 16)}`];
    await restore(run, files, RECOVERED, record, tags);
    report.recovered += 1;
    if (tags.length > 0) onProblem(`no snapshot names ${digest}: it is ${RECOVERED}:${tags[0]} now`);
  }
}

async function readRecord(
  { blobs }: RebuildRun,
  files: IntactFiles,
  digest: Digest,
  mediaType: string | undefined,
): Promise<ManifestRecord | undefined> {
  const blob = files.blobs.get(digest);
  if (blob === undefined || blob.size > MAX_MANIFEST_SIZE) return undefined;
  try {
    const manifest = readManifest(await blobs.readAll(blob, MAX_MANIFEST_SIZE), mediaType);
    return { blob, ...recordedFields(manifest) };
  } catch (error) {
    if (error instanceof OciError || error instanceof StorageError) return undefined;
    throw error;
  }
}

/** Returns the lost configs and layers; members of an index may be elsewhere. */
function lacking(files: IntactFiles, { references }: ManifestRecord): readonly Digest[] {
  return references
    .filter(({ kind, digest }) => (kind === 'config' || kind === 'layer') && !files.blobs.has(digest))
    .map(({ digest }) => digest);
}

async function restore(
  { catalog }: RebuildRun,
  files: IntactFiles,
  repository: string,
  record: ManifestRecord,
  tags: readonly string[],
): Promise<void> {
  for (const { kind, digest } of record.references) {
    const blob = files.blobs.get(digest);
    // A member of an index may also be a blob.
    if (kind !== 'subject' && blob !== undefined) await catalog.blobs.link(repository, blob);
  }
  await catalog.manifests.put(repository, record, { tags, requireManifests: false });
}

/** The intact content of a store. */
interface IntactFiles {
  readonly blobs: ReadonlyMap<Digest, StoredBlob>;
  /** Digests whose content is a manifest or index. */
  readonly manifests: ReadonlySet<Digest>;
}

/** Reads and verifies every file; `onDamaged` receives files whose content does not match their name. */
async function findIntactFiles(
  store: BlobStore,
  onDamaged: (blob: StoredBlob, message: string) => void,
  onFile: (count: number) => void,
  signal: AbortSignal | undefined,
): Promise<IntactFiles> {
  const blobs = new Map<Digest, StoredBlob>();
  const manifests = new Set<Digest>();
  for await (const { digest, size, location } of store.list(signal)) {
    if (blobs.has(digest)) continue;
    const blob = { digest, size, location };
    const message = await verifyFile(store, blob, signal, () => {});
    if (message !== undefined) {
      onDamaged(blob, message);
      continue;
    }
    blobs.set(digest, blob);
    if (await isManifest(store, blob)) manifests.add(digest);
    onFile(blobs.size);
  }
  return { blobs, manifests };
}

async function isManifest(store: BlobStore, blob: StoredBlob): Promise<boolean> {
  if (blob.size > MAX_MANIFEST_SIZE) return false;
  const bytes = await store.readAll(blob, MAX_MANIFEST_SIZE);
  if (bytes[0] !== 0x7b) return false;
  try {
    readManifest(bytes);
    return true;
  } catch (error) {
    if (error instanceof OciError) return false;
    throw error;
  }
}
