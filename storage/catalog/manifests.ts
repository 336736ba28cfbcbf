import type { Knex } from 'knex';
import { Pace } from '../../lib/sync/pace.ts';
import { type Digest, parseDigest } from '../../oci/digest.ts';
import type { ManifestReference } from '../../oci/manifest.ts';
import { isIndex } from '../../oci/media-types.ts';
import type { StoredBlob } from '../blobs/blob-driver.ts';
import { ManifestBlobUnknownError, TagRefusedError } from '../errors.ts';
import { beginGrace, linkBlob, removeLinks, touchLinksOf } from './blobs.ts';
import type {
  FoundManifest,
  ManifestCatalog,
  ManifestPutOptions,
  ManifestRecord,
  ManifestWindow,
  ReferrerPage,
} from './catalog.ts';
import { enforcePrecondition, type Precondition } from './preconditions.ts';
import type { QuotaGrants } from './quota-grants.ts';
import { refuseRunning } from './release-images.ts';
import { ensureRepository, findRepositoryId } from './repositories.ts';
import { enforceQuotas, NO_POLICY, policyOf, quotasToCheck } from './repository-policy.ts';
import { BLOB_COLUMNS, type BlobRow, batches, blobOfRow, excludeWriters } from './rows.ts';
import type { Actor } from './tag-rule-catalog.ts';
import { refuseLoss } from './tag-rules.ts';
import { pointedAt, pointTags, recordTagsOf, trimHistory } from './tags.ts';
import { inTransaction } from './transaction.ts';
import { recordWrite } from './write-record.ts';

/** Rows in one statement: databases limit the number of its values. */
const BATCH = 200;

/** References that one statement removes. */
const REMOVED_AT_ONCE = 1000;

interface ManifestRow extends BlobRow {
  readonly repository_id: number;
  readonly media_type: string;
  readonly artifact_type: string | null;
  readonly annotations: string | null;
}

/** A row without annotations and type, which may be as large as a manifest. */
interface SizedRow {
  readonly digest: string;
  /** Bytes of annotations and type. */
  readonly large_values: number | string;
  /** 1 when the manifest has the requested type. */
  readonly fits: number;
}

/** Maximum bytes of annotations and types that one query reads, unless one manifest alone has more. */
const LARGE_VALUES_AT_ONCE = 256 * 1024;
const NO_MANIFESTS: ManifestWindow = { records: [], lookedUpTo: undefined };
/** Maximum tags that a delete of a manifest also deletes. */
const MOST_TAGS_DELETED = 1000;

/** The ManifestCatalog in the catalog's tables. */
export class KnexManifests implements ManifestCatalog {
  readonly #knex: Knex;
  readonly #grants: QuotaGrants | undefined;

  /** `grants` is given if reading quotas blocks other writers. */
  constructor(knex: Knex, grants?: QuotaGrants) {
    this.#knex = knex;
    this.#grants = grants;
  }

  put(repository: string, manifest: ManifestRecord, options: ManifestPutOptions): Promise<StoredBlob> {
    const use = this.#grants?.begin();
    const work = async (trx: Knex.Transaction) => {
      const { by, tags, precondition } = options;
      const id = await ensureRepository(trx, repository);
      const { digest, size } = manifest.blob;
      const before = precondition && (await present(trx, id, precondition.tag, digest));
      const policy = by === undefined ? NO_POLICY : await policyOf(trx, repository);
      const missing = await findMissing(trx, id, manifest.references, options.requireManifests);
      if (missing.length > 0) throw new ManifestBlobUnknownError(missing);
      const bounds = quotasToCheck(policy, manifest.blob.size, use);
      const blob = await enforceQuotas(trx, bounds, by, () =>
        linkBlob(trx, id, manifest.blob, options.claim),
      );
      await writeManifest(trx, id, manifest, by);
      await pointTags(trx, id, tags, digest, { by, policy });
      // Checked last: any other error takes precedence (RFC 9110, section 13.2.1).
      if (precondition !== undefined) enforcePrecondition(precondition, before, digest);
      const { mediaType } = manifest;
      const write = { action: 'push', repository, digest, size, mediaType, tags, whole: true } as const;
      await recordWrite(trx, by, write, policy.hooks);
      return blob;
    };
    return inTransaction(this.#knex, work, { clearWay: excludeWriters });
  }

  async find(
    repository: string,
    reference: { readonly digest: Digest } | { readonly tag: string },
  ): Promise<FoundManifest | undefined> {
    const row = await this.#rowOf(repository, reference);
    return row === undefined ? undefined : foundOf(row);
  }

  async findByDigest(repository: string, digest: Digest): Promise<ManifestRecord | undefined> {
    const row = await this.#rowOf(repository, { digest });
    return row === undefined ? undefined : this.#recordOf(row);
  }

  async findByTag(repository: string, tag: string): Promise<ManifestRecord | undefined> {
    const row = await this.#rowOf(repository, { tag });
    return row === undefined ? undefined : this.#recordOf(row);
  }

  delete(repository: string, digest: Digest, by?: Actor, precondition: Precondition = {}): Promise<boolean> {
    const work = async (trx: Knex.Transaction) => {
      const id = await findRepositoryId(trx, repository);
      if (id === undefined) return false;
      const policy = by === undefined ? NO_POLICY : await policyOf(trx, repository);
      await refuseLoss(trx, id, digest, by, policy);
      await refuseRunning(trx, { repository, digest }, by);
      const referring = { repository_id: id, manifest_digest: digest };
      // The grace period of its references and referrers begins now.
      await touchLinksOf(trx, id, trx('manifest_references').where(referring), 'position');
      await touchLinksOf(trx, id, trx('manifests').where({ repository_id: id, subject: digest }), 'digest');
      const tags: readonly string[] = await trx('tags')
        .where(referring)
        .orderBy('name')
        .limit(MOST_TAGS_DELETED + 1)
        .pluck('name');
      if (by !== undefined && tags.length > MOST_TAGS_DELETED) throw tooManyTags(digest);
      await recordTagsOf(trx, id, digest, by);
      await trimHistory(trx, id, tags);
      await trx('tags').where(referring).delete();
      const row = await trx('manifests').where({ repository_id: id, digest }).first('media_type');
      if (row === undefined) return false;
      enforcePrecondition(precondition, digest, undefined);
      await removeManifests(trx, id, [digest]);
      await beginGrace(trx, digest);
      const mediaType: string = row.media_type;
      const write = { action: 'delete', repository, digest, mediaType, tags, whole: true } as const;
      await recordWrite(trx, by, write, policy.hooks);
      return true;
    };
    return inTransaction(this.#knex, work, { clearWay: excludeWriters });
  }

  async referrers(
    repository: string,
    digest: Digest,
    { limit, after, artifactType }: ReferrerPage,
  ): Promise<ManifestWindow> {
    const id = await findRepositoryId(this.#knex, repository);
    if (id === undefined) return NO_MANIFESTS;
    const query = this.#knex('manifests')
      .where({ repository_id: id, subject: digest })
      .orderBy('digest')
      .limit(limit);
    if (after !== undefined) query.where('digest', '>', after);
    const sized: readonly SizedRow[] = await query.select(this.#sized(artifactType));
    return this.#window(id, sized, sized.at(-1)?.digest);
  }

  async listed(
    repository: string,
    tag: string,
    { limit, after, artifactType }: ReferrerPage,
  ): Promise<ManifestWindow> {
    const index = await this.#rowOf(repository, { tag });
    if (index === undefined || !isIndex(index.media_type)) return NO_MANIFESTS;
    const id = index.repository_id;
    const members = this.#knex('manifest_references')
      .where({ repository_id: id, manifest_digest: index.digest, kind: 'manifest' })
      .orderBy('digest')
      .limit(limit);
    if (after !== undefined) members.where('digest', '>', after);
    const digests: readonly string[] = await members.pluck('digest');
    const query = this.#knex('manifests')
      .where({ repository_id: id, subject: null })
      .whereIn('digest', [...digests])
      .orderBy('digest');
    const sized: readonly SizedRow[] = await query.select(this.#sized(artifactType));
    return this.#window(id, sized, digests.at(-1));
  }

  /**
   * Returns the first suitable manifests, as many as have at most LARGE_VALUES_AT_ONCE together, and at least one.
   * `last` is the last digest of the window unless large values end it before.
   */
  async #window(id: number, sized: readonly SizedRow[], last: string | undefined): Promise<ManifestWindow> {
    const fitting = sized.filter(({ fits }) => Number(fits) === 1);
    let size = 0;
    const few = fitting.filter((row, position) => {
      size += Number(row.large_values);
      return position === 0 || size <= LARGE_VALUES_AT_ONCE;
    });
    const rows: readonly ManifestRow[] = await this.#select()
      .where({ 'manifests.repository_id': id })
      .whereIn(
        'manifests.digest',
        few.map(({ digest }) => digest),
      )
      .orderBy('manifests.digest');
    const records = rows.map(foundOf);
    const lookedUpTo = few.length < fitting.length ? few.at(-1)?.digest : last;
    return { records, lookedUpTo: lookedUpTo === undefined ? undefined : parseDigest(lookedUpTo) };
  }

  /**
   * Returns the columns of SizedRow. The filter is one of them, so that a statement reads no more rows than its limit.
   */
  #sized(artifactType: string | undefined) {
    const size = 'coalesce(octet_length(annotations), 0) + coalesce(octet_length(artifact_type), 0)';
    const fits = artifactType === undefined ? '1' : 'case when artifact_type = ? then 1 else 0 end';
    const values = artifactType === undefined ? [] : [artifactType];
    return ['digest', this.#knex.raw(`${size} as large_values`), this.#knex.raw(`${fits} as fits`, values)];
  }

  /** Returns the row of a manifest by its digest or a tag. */
  async #rowOf(
    repository: string,
    reference: { readonly digest: Digest } | { readonly tag: string },
  ): Promise<ManifestRow | undefined> {
    const query = this.#select();
    if ('digest' in reference) {
      return query.where({ 'repositories.name': repository, 'manifests.digest': reference.digest }).first();
    }
    return query
      .join('tags', (join) =>
        join
          .on('tags.repository_id', 'manifests.repository_id')
          .andOn('tags.manifest_digest', 'manifests.digest'),
      )
      .where({ 'repositories.name': repository, 'tags.name': reference.tag })
      .first();
  }

  #select() {
    return this.#knex('repositories')
      .join('manifests', 'manifests.repository_id', 'repositories.id')
      .join('blobs', 'blobs.digest', 'manifests.digest')
      .select([
        ...BLOB_COLUMNS,
        'manifests.repository_id',
        'manifests.media_type',
        'manifests.artifact_type',
        'manifests.annotations',
      ]);
  }

  async #recordOf(row: ManifestRow): Promise<ManifestRecord> {
    const references = await this.#knex('manifest_references')
      .where({ repository_id: row.repository_id, manifest_digest: row.digest })
      .orderBy('position')
      .select('kind', 'digest');
    return {
      ...foundOf(row),
      references: references.map(({ kind, digest }) => ({ kind, digest: parseDigest(digest) })),
    };
  }
}

function foundOf(row: ManifestRow): FoundManifest {
  return {
    blob: blobOfRow(row),
    mediaType: row.media_type,
    ...(row.artifact_type !== null && { artifactType: row.artifact_type }),
    ...(row.annotations !== null && { annotations: JSON.parse(row.annotations) }),
  };
}

function tooManyTags(digest: Digest): TagRefusedError {
  return new TagRefusedError(
    `more than ${MOST_TAGS_DELETED} tags point at ${digest}: delete tags until there are fewer, then the manifest`,
  );
}

/** Removes manifests without tags; returns their number. */
export async function removeManifests(
  trx: Knex.Transaction,
  id: number,
  digests: readonly string[],
): Promise<number> {
  await removeReferences(trx, id, digests);
  const deleted = await trx('manifests')
    .where({ repository_id: id })
    .whereIn('digest', [...digests])
    .delete();
  if (deleted > 0) await removeLinks(trx, id, digests);
  return deleted;
}

/** Removes the references of manifests, which may be many, in several statements. */
async function removeReferences(
  trx: Knex.Transaction,
  id: number,
  digests: readonly string[],
): Promise<void> {
  const key = ['repository_id', 'manifest_digest', 'position'];
  const pace = new Pace(REMOVED_AT_ONCE);
  let removed: number;
  do {
    const some = trx('manifest_references')
      .where({ repository_id: id })
      .whereIn('manifest_digest', [...digests])
      .limit(REMOVED_AT_ONCE)
      .select(key);
    removed = await trx('manifest_references').whereIn(key, some).delete();
    await pace.after(removed);
  } while (removed === REMOVED_AT_ONCE);
}

/** Returns the digest of a tag, or of the manifest itself; undefined when it does not exist. */
async function present(
  trx: Knex.Transaction,
  id: number,
  tag: string | undefined,
  digest: Digest,
): Promise<string | undefined> {
  if (tag !== undefined) return pointedAt(trx, id, tag);
  return (await trx('manifests').where({ repository_id: id, digest }).first('digest'))?.digest;
}

async function writeManifest(
  trx: Knex.Transaction,
  id: number,
  manifest: ManifestRecord,
  by: Actor | undefined,
): Promise<void> {
  const { digest } = manifest.blob;
  const subject = manifest.references.find(({ kind }) => kind === 'subject');
  await trx('manifests')
    .insert({
      repository_id: id,
      digest,
      media_type: manifest.mediaType,
      artifact_type: manifest.artifactType ?? null,
      annotations: manifest.annotations === undefined ? null : JSON.stringify(manifest.annotations),
      subject: subject?.digest ?? null,
      pushed_at: Date.now(),
      pushed_by: by?.name ?? '',
    })
    .onConflict(['repository_id', 'digest'])
    .merge();
  await removeReferences(trx, id, [digest]);
  const rows = manifest.references.map((reference, position) => ({
    repository_id: id,
    manifest_digest: digest,
    position,
    kind: reference.kind,
    digest: reference.digest,
    platform: reference.platform ?? null,
  }));
  const pace = new Pace(BATCH);
  for (const batch of batches(rows, BATCH)) {
    await trx('manifest_references').insert([...batch]);
    await pace.after(batch.length);
  }
}

/** Returns the digests that the repository must have but lacks, each once, in the manifest's order. */
async function findMissing(
  trx: Knex.Transaction,
  repositoryId: number,
  references: readonly ManifestReference[],
  requireManifests: boolean,
): Promise<readonly Digest[]> {
  const present = async (table: 'blob_links' | 'manifests', digests: readonly Digest[]) => {
    const found = new Set<string>();
    const pace = new Pace(BATCH);
    for (const batch of batches(digests, BATCH)) {
      await pace.after(batch.length);
      const rows = await trx(table)
        .where({ repository_id: repositoryId })
        .whereIn('digest', [...batch])
        .pluck('digest');
      for (const digest of rows) found.add(digest);
    }
    return found;
  };
  const blobs = references.filter(({ kind }) => kind === 'config' || kind === 'layer');
  const manifests = requireManifests ? references.filter(({ kind }) => kind === 'manifest') : [];
  // Optional references are read as well, so that a sweep that deletes them at the same time conflicts with this
  // transaction.
  const links = await present('blob_links', digestsOf(references.filter(({ kind }) => kind !== 'subject')));
  const members = await present('manifests', digestsOf(manifests));
  return [
    ...new Set([
      ...digestsOf(blobs).filter((digest) => !links.has(digest)),
      ...digestsOf(manifests).filter((digest) => !members.has(digest)),
    ]),
  ];
}

function digestsOf(references: readonly ManifestReference[]): readonly Digest[] {
  return references.map(({ digest }) => digest);
}
