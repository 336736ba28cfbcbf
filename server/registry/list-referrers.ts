import type { ManifestRecord, ReferrerPage } from '../../storage/catalog/catalog.ts';
import { type Digest, digestAlgorithm, digestHex } from '../../storage/oci/digest.ts';
import { MAX_MANIFEST_SIZE, type Manifest, readManifest } from '../../storage/oci/manifest.ts';
import { isIndex } from '../../storage/oci/media-types.ts';
import type { RegistryDependencies } from './registry-dependencies.ts';

type Stores = Pick<RegistryDependencies, 'blobs' | 'catalog'>;

/** Few, since the annotations of each may be as large as a manifest. */
const AT_ONCE = 16;

/**
 * The referrers of `subject` in the order of their digests: the manifests that name it as their subject, and
 * those that a client listed for it under its referrers tag (distribution-spec, "Enabling the Referrers API").
 */
export async function* listReferrers(
  stores: Stores,
  repository: string,
  subject: Digest,
  filter: Omit<ReferrerPage, 'limit'>,
): AsyncGenerator<ManifestRecord, void, undefined> {
  const listed = await listedUnderTag(stores, repository, subject, filter.after);
  for await (const record of bySubject(stores, repository, subject, filter)) {
    yield* takeListed(stores, repository, listed, filter.artifactType, record.blob.digest);
    if (listed.at(-1) === record.blob.digest) listed.pop();
    yield record;
  }
  yield* takeListed(stores, repository, listed, filter.artifactType, undefined);
}

async function* bySubject(
  { catalog }: Stores,
  repository: string,
  subject: Digest,
  filter: Omit<ReferrerPage, 'limit'>,
): AsyncGenerator<ManifestRecord, void, undefined> {
  let page: ReferrerPage = { ...filter, limit: AT_ONCE };
  for (;;) {
    const records = await catalog.manifests.referrers(repository, subject, page);
    yield* records;
    const last = records.at(-1);
    if (last === undefined || records.length < AT_ONCE) return;
    page = { ...page, after: last.blob.digest };
  }
}

/**
 * What the index under the subject's referrers tag lists after `after`, the first one last. The tag is
 * `sha256-` and 64 digits (distribution-spec, "Referrers Tag Schema").
 */
async function listedUnderTag(
  { blobs, catalog }: Stores,
  repository: string,
  subject: Digest,
  after: string | undefined,
): Promise<Digest[]> {
  const tag = `${digestAlgorithm(subject)}-${digestHex(subject).slice(0, 64)}`;
  const record = await catalog.manifests.findByTag(repository, tag);
  if (record === undefined || !isIndex(record.mediaType)) return [];
  const index: Manifest = readManifest(await blobs.readAll(record.blob, MAX_MANIFEST_SIZE), record.mediaType);
  const digests = new Set(index.manifests.map(({ digest }) => digest));
  return [...digests]
    .filter((digest) => after === undefined || digest > after)
    .sort()
    .reverse();
}

/**
 * Takes those before `end` off `listed`. A manifest that is not in the repository is no referrer, nor is one with a
 * subject: either it is this one, and the catalog gives it, or the list is wrong.
 */
async function* takeListed(
  { catalog }: Stores,
  repository: string,
  listed: Digest[],
  artifactType: string | undefined,
  end: Digest | undefined,
): AsyncGenerator<ManifestRecord, void, undefined> {
  for (
    let next = listed.at(-1);
    next !== undefined && (end === undefined || next < end);
    next = listed.at(-1)
  ) {
    listed.pop();
    const record = await catalog.manifests.findByDigest(repository, next);
    if (record === undefined || record.references.some(({ kind }) => kind === 'subject')) continue;
    if (artifactType === undefined || record.artifactType === artifactType) yield record;
  }
}
