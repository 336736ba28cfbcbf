import type { Knex } from 'knex';
import { type Digest, parseDigest } from '../../oci/digest.ts';
import type { StoredBlob } from '../blobs/blob-driver.ts';
import { linkBlob } from './blobs.ts';
import type { CheckCatalog, Listed } from './check-catalog.ts';
import type { ManifestName } from './garbage-catalog.ts';
import { removeManifests } from './manifests.ts';
import { ensureRepository } from './repositories.ts';
import { BLOB_COLUMNS, type BlobRow, blobOfRow, isPostgres } from './rows.ts';
import { recordTagsOf } from './tags.ts';
import { inTransaction } from './transaction.ts';

/** Manifests that are or need the content of a digest, and manifests that need these. */
const DEPENDANTS = `
  with recursive hit (repository_id, digest) as (
    select repository_id, digest from manifests where digest = ?
    union
    select repository_id, manifest_digest from manifest_references where digest = ? and kind <> 'subject'
    union
    select r.repository_id, r.manifest_digest from hit
      join manifest_references r on r.repository_id = hit.repository_id and r.digest = hit.digest
      where r.kind <> 'subject'
  )
  select repositories.name as repository, hit.digest, tags.name as tag from hit
    join repositories on repositories.id = hit.repository_id
    left join tags on tags.repository_id = hit.repository_id and tags.manifest_digest = hit.digest
    order by 1, 3, 2`;

/** A row of a SQLite pragma. */
interface ForeignKeyRow {
  readonly table: string;
  readonly rowid: number | null;
  readonly parent: string;
}

/** The CheckCatalog in the catalog's tables. */
export class KnexCheck implements CheckCatalog {
  readonly #knex: Knex;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  async databaseErrors(): Promise<readonly string[]> {
    // PostgreSQL verifies its pages and keys itself.
    if (isPostgres(this.#knex)) return [];
    const integrity: readonly { integrity_check: string }[] = await this.#knex.raw('pragma integrity_check');
    const keys: readonly ForeignKeyRow[] = await this.#knex.raw('pragma foreign_key_check');
    return [
      ...integrity.map((row) => row.integrity_check).filter((text) => text !== 'ok'),
      ...keys.map(({ table, rowid, parent }) => `row ${rowid} of ${table} refers to no row of ${parent}`),
    ];
  }

  async listBlobs(after = '', limit: number): Promise<Listed<StoredBlob>> {
    const rows: readonly BlobRow[] = await this.#knex('blobs')
      .where('digest', '>', after)
      .orderBy('digest')
      .limit(limit)
      .select(BLOB_COLUMNS);
    const last = rows.length < limit ? undefined : rows.at(-1);
    return { items: rows.map(blobOfRow), ...(last && { next: last.digest }) };
  }

  async listManifests(after = '0 ', limit: number): Promise<Listed<ManifestName>> {
    const [repositoryId = '0', digest = ''] = after.split(' ');
    const rows: readonly { repository_id: number; digest: string; name: string }[] = await this.#knex(
      'manifests as m',
    )
      .join('repositories as r', 'r.id', 'm.repository_id')
      .whereRaw('(m.repository_id, m.digest) > (?, ?)', [Number(repositoryId), digest])
      .orderBy(['m.repository_id', 'm.digest'])
      .limit(limit)
      .select('m.repository_id', 'm.digest', 'r.name');
    const last = rows.length < limit ? undefined : rows.at(-1);
    return {
      items: rows.map((row) => ({ repository: row.name, digest: parseDigest(row.digest) })),
      ...(last && { next: `${last.repository_id} ${last.digest}` }),
    };
  }

  async missingLinks({ repository, digest }: ManifestName): Promise<readonly Digest[]> {
    const needs = [
      this.#knex('manifests as x').where('x.digest', digest),
      this.#knex('manifest_references as x')
        .where('x.manifest_digest', digest)
        .whereIn('x.kind', ['config', 'layer']),
    ];
    const missing = new Set<Digest>();
    for (const query of needs) {
      const digests: readonly string[] = await query
        .join('repositories as p', 'p.id', 'x.repository_id')
        .where('p.name', repository)
        .whereRaw(
          'not exists (select 1 from blob_links l where l.repository_id = x.repository_id and l.digest = x.digest)',
        )
        .pluck('x.digest');
      for (const text of digests) missing.add(parseDigest(text));
    }
    return [...missing];
  }

  addLink(repository: string, digest: Digest): Promise<boolean> {
    return inTransaction(this.#knex, async (trx) => {
      const row: BlobRow | undefined = await trx('blobs').where({ digest }).first(BLOB_COLUMNS);
      if (row === undefined) return false;
      await linkBlob(trx, await ensureRepository(trx, repository), blobOfRow(row), undefined);
      return true;
    });
  }

  async dependants(digest: Digest): Promise<readonly string[]> {
    const answer = await this.#knex.raw(DEPENDANTS, [digest, digest]);
    const rows: readonly { repository: string; digest: string; tag: string | null }[] = isPostgres(this.#knex)
      ? answer.rows
      : answer;
    return rows.map((row) =>
      row.tag === null ? `${row.repository}@${row.digest}` : `${row.repository}:${row.tag}`,
    );
  }

  forget({ digest, location }: StoredBlob): Promise<boolean> {
    return inTransaction(this.#knex, async (trx) => {
      const recorded = await trx('blobs').where({ digest, location }).first('digest');
      if (recorded === undefined) return false;
      const ids: readonly number[] = await trx('manifests').where({ digest }).pluck('repository_id');
      for (const id of ids) {
        await recordTagsOf(trx, id, digest);
        await trx('tags').where({ repository_id: id, manifest_digest: digest }).delete();
        await removeManifests(trx, id, [digest]);
      }
      await trx('blob_links').where({ digest }).delete();
      await trx('blobs').where({ digest }).delete();
      return true;
    });
  }
}
