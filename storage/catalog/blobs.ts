import type { Knex } from 'knex';
import { Pace } from '../../lib/sync/pace.ts';
import { type Digest, parseDigest } from '../../oci/digest.ts';
import type { StoredBlob } from '../blobs/blob-driver.ts';
import { BlobInUseError, UploadUnknownError } from '../errors.ts';
import { type BlobCatalog, type FileClaim, TOUCH_INTERVAL } from './catalog.ts';
import type { QuotaGrants } from './quota-grants.ts';
import { ensureRepository, findRepositoryId } from './repositories.ts';
import { enforceQuotas, NO_POLICY, policyOf, quotasToCheck } from './repository-policy.ts';
import { BLOB_COLUMNS, type BlobRow, batches, blobOfRow, excludeWriters } from './rows.ts';
import type { Actor } from './tag-rule-catalog.ts';
import { refuseLoss } from './tag-rules.ts';
import { inTransaction } from './transaction.ts';
import { recordWrite } from './write-record.ts';

/** Databases bound the number of values in one statement. */
const SIZES_AT_ONCE = 200;

/** Links that one statement touches. */
const TOUCHED_AT_ONCE = 500;

/** Tags that are compared with the rules before a blob is deleted: all images of a team may need it. */
const MOST_TAGS_LOOKED_AT = 500;

/** Blobs, and the repositories that have them. */
export class KnexBlobs implements BlobCatalog {
  readonly #knex: Knex;
  readonly #grants: QuotaGrants | undefined;

  /** `grants` is given if reading quotas blocks other writers. */
  constructor(knex: Knex, grants?: QuotaGrants) {
    this.#knex = knex;
    this.#grants = grants;
  }

  link(repository: string, blob: StoredBlob, claim?: FileClaim, by?: Actor): Promise<StoredBlob> {
    const use = this.#grants?.begin();
    const work = async (trx: Knex.Transaction) => {
      const id = await ensureRepository(trx, repository);
      const policy = by === undefined ? NO_POLICY : await policyOf(trx, repository);
      const { digest, size } = blob;
      const bounds = quotasToCheck(policy, size, use);
      const linked = await enforceQuotas(trx, bounds, by, () => linkBlob(trx, id, blob, claim));
      // A webhook gets the push of the manifest, not of its blobs.
      await recordWrite(trx, by, { action: 'push', repository, digest, size, whole: true });
      return linked;
    };
    return inTransaction(this.#knex, work, { clearWay: excludeWriters });
  }

  async find(repository: string, digest: Digest): Promise<StoredBlob | undefined> {
    return (await findLinked(this.#knex, repository, digest))?.blob;
  }

  async findToRefer(repository: string, digest: Digest): Promise<StoredBlob | undefined> {
    const found = await findLinked(this.#knex, repository, digest);
    if (found === undefined || found.touchedAt > Date.now() - TOUCH_INTERVAL) return found?.blob;
    const touch = async (trx: Knex.Transaction) => {
      // Again: in the meantime it may have been swept.
      const present = await findLinked(trx, repository, digest);
      if (present !== undefined) await addLink(trx, present.repositoryId, present.blob);
      return present?.blob;
    };
    // A power cut also ends the push that checks.
    return inTransaction(this.#knex, touch, { durable: false });
  }

  async sizes(repository: string, digests: readonly Digest[]): Promise<ReadonlyMap<Digest, number>> {
    const found = new Map<Digest, number>();
    const pace = new Pace(SIZES_AT_ONCE);
    for (const batch of batches(digests, SIZES_AT_ONCE)) {
      await pace.after(batch.length);
      const rows: readonly { readonly digest: string; readonly size: number | string }[] = await this.#knex(
        'repositories',
      )
        .join('blob_links', 'blob_links.repository_id', 'repositories.id')
        .join('blobs', 'blobs.digest', 'blob_links.digest')
        .where({ 'repositories.name': repository })
        .whereIn('blob_links.digest', [...batch])
        .select('blobs.digest', 'blobs.size');
      for (const { digest, size } of rows) found.set(parseDigest(digest), Number(size));
    }
    return found;
  }

  async holders(digest: Digest, limit: number): Promise<readonly string[]> {
    return this.#knex('blob_links')
      .join('repositories', 'repositories.id', 'blob_links.repository_id')
      .where({ 'blob_links.digest': digest })
      .limit(limit)
      .pluck('repositories.name');
  }

  async findAnywhere(digest: Digest): Promise<StoredBlob | undefined> {
    const row = await this.#knex('blobs').where({ digest }).first(BLOB_COLUMNS);
    return row === undefined ? undefined : blobOfRow(row);
  }

  mount(from: string, to: string, digest: Digest, by?: Actor): Promise<StoredBlob | undefined> {
    const use = this.#grants?.begin();
    const work = async (trx: Knex.Transaction) => {
      const found = await findLinked(trx, from, digest);
      if (found === undefined) return undefined;
      const id = await ensureRepository(trx, to);
      const policy = by === undefined ? NO_POLICY : await policyOf(trx, to);
      const { size } = found.blob;
      const bounds = quotasToCheck(policy, size, use);
      await enforceQuotas(trx, bounds, by, () => addLink(trx, id, found.blob));
      const write = { action: 'mount', repository: to, digest, size, whole: true } as const;
      await recordWrite(trx, by, write, policy.hooks);
      return found.blob;
    };
    return inTransaction(this.#knex, work, { clearWay: excludeWriters });
  }

  unlink(repository: string, digest: Digest, by?: Actor): Promise<boolean> {
    const work = async (trx: Knex.Transaction) => {
      const id = await findRepositoryId(trx, repository);
      if (id === undefined) return false;
      const manifest = await trx('manifests').where({ repository_id: id, digest }).first('digest');
      if (manifest !== undefined) return false;
      const policy = by === undefined ? NO_POLICY : await policyOf(trx, repository);
      // If more tags need the blob, the next query finds one of their manifests.
      await refuseLoss(trx, id, digest, by, policy, MOST_TAGS_LOOKED_AT);
      if (by !== undefined) await refuseInUse(trx, id, repository, digest);
      if ((await removeLinks(trx, id, [digest])) === 0) return false;
      await beginGrace(trx, digest);
      await recordWrite(trx, by, { action: 'delete', repository, digest, whole: true }, policy.hooks);
      return true;
    };
    return inTransaction(this.#knex, work, { clearWay: excludeWriters });
  }

  relocate(lost: StoredBlob, found: StoredBlob, claim: FileClaim): Promise<boolean> {
    return inTransaction(this.#knex, async (trx) => {
      const { digest, location } = lost;
      const named = await trx('blobs')
        .where({ digest, location })
        .update({ location: found.location, size: found.size });
      if (named > 0) await enforceClaim(trx, claim);
      return named > 0;
    });
  }
}

/** Throws BlobInUseError: without its config or a layer an image exists but cannot be pulled. */
async function refuseInUse(
  trx: Knex.Transaction,
  repositoryId: number,
  repository: string,
  digest: Digest,
): Promise<void> {
  const reference: { readonly manifest_digest: string } | undefined = await trx('manifest_references')
    .where({ repository_id: repositoryId, digest })
    .whereIn('kind', ['config', 'layer'])
    .first('manifest_digest');
  if (reference === undefined) return;
  throw new BlobInUseError(
    `the manifest ${reference.manifest_digest} of ${repository} needs the blob ${digest}: delete the manifest, and ` +
      'garbage collection takes the blob',
  );
}

/** Records a blob unless it is recorded already, and links it; returns the recorded blob. */
export async function linkBlob(
  trx: Knex.Transaction,
  repositoryId: number,
  blob: StoredBlob,
  claim: FileClaim | undefined,
): Promise<StoredBlob> {
  const { digest, size, location } = blob;
  const row = { digest, size, location, created_at: Date.now() };
  const inserted = await trx('blobs').insert(row).onConflict('digest').ignore().returning('digest');
  if (claim !== undefined) await enforceClaim(trx, claim);
  await addLink(trx, repositoryId, blob);
  return inserted.length > 0 ? blob : blobOfRow(await trx('blobs').where({ digest }).first(BLOB_COLUMNS));
}

/** Removes links; returns their number. */
export async function removeLinks(
  trx: Knex.Transaction,
  repositoryId: number,
  digests: readonly string[],
): Promise<number> {
  return trx('blob_links')
    .where({ repository_id: repositoryId })
    .whereIn('digest', [...digests])
    .delete();
}

/** Begins the grace period of a blob that a delete has unlinked: its content was in use until now. */
export async function beginGrace(trx: Knex.Transaction, digest: Digest): Promise<void> {
  await trx('blobs').where({ digest }).update({ unlinked_at: Date.now() });
}

/** Restarts the grace period of links. */
export async function touchLinks(
  trx: Knex.Transaction,
  repositoryId: number,
  digests: readonly string[],
): Promise<void> {
  await trx('blob_links')
    .where({ repository_id: repositoryId })
    .whereIn('digest', [...digests])
    .update({ touched_at: Date.now() });
}

/**
 * Restarts the grace period of the links to all digests of a query's rows, however many these are. `key` is a unique
 * column of the rows whose index orders them.
 */
export async function touchLinksOf(
  trx: Knex.Transaction,
  repositoryId: number,
  rows: Knex.QueryBuilder,
  key: 'digest' | 'position',
): Promise<void> {
  const pace = new Pace(TOUCHED_AT_ONCE);
  let last: string | number = key === 'digest' ? '' : -1;
  for (;;) {
    const page: readonly { readonly digest: string; readonly key: string | number }[] = await rows
      .clone()
      .where(key, '>', last)
      .orderBy(key)
      .limit(TOUCHED_AT_ONCE)
      .select('digest', `${key} as key`);
    await touchLinks(trx, repositoryId, [...new Set(page.map(({ digest }) => digest))]);
    const end = page.at(-1);
    if (end === undefined || page.length < TOUCHED_AT_ONCE) return;
    last = end.key;
    await pace.after(TOUCHED_AT_ONCE);
  }
}

async function addLink(
  trx: Knex.Transaction,
  repositoryId: number,
  { digest, size }: Pick<StoredBlob, 'digest' | 'size'>,
): Promise<void> {
  const now = Date.now();
  await trx('blob_links')
    .insert({ repository_id: repositoryId, digest, size, created_at: now, touched_at: now })
    .onConflict(['repository_id', 'digest'])
    .merge(['touched_at']);
}

interface LinkedBlob {
  readonly blob: StoredBlob;
  readonly repositoryId: number;
  /** Milliseconds since 1970. */
  readonly touchedAt: number;
}

async function findLinked(knex: Knex, repository: string, digest: Digest): Promise<LinkedBlob | undefined> {
  const row: (BlobRow & { repository_id: number; touched_at: number | string }) | undefined = await knex(
    'repositories',
  )
    .join('blob_links', 'blob_links.repository_id', 'repositories.id')
    .join('blobs', 'blobs.digest', 'blob_links.digest')
    .where({ 'repositories.name': repository, 'blob_links.digest': digest })
    .first([...BLOB_COLUMNS, 'blob_links.repository_id', 'blob_links.touched_at']);
  if (row === undefined) return undefined;
  return { blob: blobOfRow(row), repositoryId: row.repository_id, touchedAt: Number(row.touched_at) };
}

/**
 * Aborts the transaction with UploadUnknownError when the claim on the file does not hold. Call it after the
 * transaction has written, when SQLite blocks other writers: a time read earlier could be outdated at the commit.
 */
async function enforceClaim(trx: Knex.Transaction, claim: FileClaim): Promise<void> {
  if (claim.kind === 'upload') {
    if ((await trx('uploads').where({ id: claim.id }).delete()) > 0) return;
    throw new UploadUnknownError(
      'the upload does not exist any more: it was cancelled, finished or idle for too long',
    );
  }
  if (Date.now() <= claim.until.getTime()) return;
  throw new UploadUnknownError('storing the content has taken too long: send it again');
}
