import type { Digest } from '../../oci/digest.ts';
import { OciError } from '../../oci/errors.ts';
import { MAX_MANIFEST_SIZE, readManifest } from '../../oci/manifest.ts';
import type { ManifestRecord } from '../catalog/catalog.ts';
import type { ManifestName } from '../catalog/garbage-catalog.ts';
import { BlobUnknownError, ContentDamagedError, ManifestBlobUnknownError, StorageError } from '../errors.ts';
import type { CheckRun, CheckSummary, Finding } from './findings.ts';

const AT_ONCE = 100;

/** Compares every manifest with its record, and checks whether its repository has everything that it needs. */
export async function* checkManifests(
  run: CheckRun,
  summary: CheckSummary,
): AsyncGenerator<Finding, void, undefined> {
  for (let after: string | undefined, first = true; first || after !== undefined; first = false) {
    const { items, next } = await run.catalog.check.listManifests(after, AT_ONCE);
    for (const manifest of items) {
      run.signal?.throwIfAborted();
      yield* checkManifest(run, manifest);
      summary.manifests += 1;
      run.onProgress?.(summary);
    }
    after = next;
  }
}

async function* checkManifest(
  run: CheckRun,
  manifest: ManifestName,
): AsyncGenerator<Finding, void, undefined> {
  const { check, manifests } = run.catalog;
  const missing: Digest[] = [];
  let mended = 0;
  for (const digest of await check.missingLinks(manifest)) {
    if (run.repair && (await check.addLink(manifest.repository, digest))) mended += 1;
    else missing.push(digest);
  }
  const finding = { kind: 'manifest', manifest, missing } as const;
  if (missing.length > 0) {
    yield { ...finding, outcome: 'kept', message: `needs missing content: ${missing.join(', ')}` };
  } else if (mended > 0) {
    yield { ...finding, outcome: 'mended', message: `had lost ${mended} of its links` };
  }
  const record = await manifests.findByDigest(manifest.repository, manifest.digest);
  // It was deleted since it was listed, or its file is damaged, which is reported for the blob.
  const difference = record && (await differenceOf(run, record));
  if (difference === undefined) return;
  const rewritten = run.repair && (await rewrite(run, manifest, difference.actual));
  yield { ...finding, outcome: rewritten ? 'mended' : 'kept', message: difference.message };
}

interface Difference {
  readonly message: string;
  readonly actual: ManifestRecord;
}

async function differenceOf(run: CheckRun, record: ManifestRecord): Promise<Difference | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await run.blobs.readAll(record.blob, MAX_MANIFEST_SIZE);
  } catch (error) {
    run.signal?.throwIfAborted();
    const isTold = error instanceof BlobUnknownError || error instanceof ContentDamagedError;
    if (isTold || !(error instanceof StorageError)) return undefined;
    throw error;
  }
  let actual: ManifestRecord;
  try {
    const { mediaType, references, artifactType, annotations } = readManifest(bytes, record.mediaType);
    actual = {
      blob: record.blob,
      mediaType,
      references,
      ...(artifactType !== undefined && { artifactType }),
      ...(annotations !== undefined && { annotations }),
    };
  } catch (error) {
    if (error instanceof OciError) return undefined;
    throw error;
  }
  if (keysOf(actual) === keysOf(record)) return undefined;
  return { message: 'is recorded with other references than it has', actual };
}

function keysOf({ references }: ManifestRecord): string {
  return references
    .map(({ kind, digest }) => `${kind} ${digest}`)
    .sort()
    .join('\n');
}

async function rewrite(
  run: CheckRun,
  { repository }: ManifestName,
  actual: ManifestRecord,
): Promise<boolean> {
  try {
    await run.catalog.manifests.put(repository, actual, { tags: [], requireManifests: false });
    return true;
  } catch (error) {
    if (error instanceof ManifestBlobUnknownError) return false;
    throw error;
  }
}
