import type { Knex } from 'knex';
import { parseDigest } from '../../oci/digest.ts';
import type { StoredBlob, StoredFile } from '../blobs/blob-driver.ts';
import { LeaseLostError } from '../errors.ts';
import { removeLinks } from './blobs.ts';
import type { GarbageCatalog, Lease, ManifestName, SweepWindow, Swept, TagName } from './garbage-catalog.ts';
import { removeManifests } from './manifests.ts';
import { type BlobRow, blobOfRow, excludeWriters, sharedNow } from './rows.ts';
import { inTransaction } from './transaction.ts';

/** SQL: `r` refers to `x`, other than as its subject. */
const REFERRED_TO =
  'exists (select 1 from manifest_references r where r.repository_id = x.repository_id and r.digest = x.digest ' +
  "and r.kind <> 'subject')";

const DEAD_MANIFEST =
  'not exists (select 1 from tags t where t.repository_id = x.repository_id and t.manifest_digest = x.digest) ' +
  `and not ${REFERRED_TO} ` +
  'and not exists (select 1 from manifests s where s.repository_id = x.repository_id and s.digest = x.subject) ' +
  'and not exists (select 1 from release_images i join repositories p on p.name = i.repository ' +
  'where p.id = x.repository_id and i.digest = x.digest) ' +
  'and exists (select 1 from blob_links l where l.repository_id = x.repository_id and l.digest = x.digest ' +
  'and l.touched_at <= ?)';

const DEAD_LINK =
  'x.touched_at <= ? ' +
  'and not exists (select 1 from manifests m where m.repository_id = x.repository_id and m.digest = x.digest) ' +
  `and not ${REFERRED_TO}`;

const DEAD_BLOB =
  'coalesce(x.unlinked_at, 0) <= ? ' +
  'and not exists (select 1 from blob_links l where l.digest = x.digest) ' +
  'and not exists (select 1 from manifests m where m.digest = x.digest)';

const DEAD_CHANGE =
  'not exists (select 1 from tags t where t.repository_id = x.repository_id and t.name = x.name) and not exists ' +
  '(select 1 from tag_history h where h.repository_id = x.repository_id and h.name = x.name and h.changed_at > ?)';

/** SQL: the repository is empty. A push first adds a link, in the transaction that creates the repository. */
const DEAD_REPOSITORY =
  'x.created_at <= ? ' +
  'and not exists (select 1 from blob_links l where l.repository_id = x.id) ' +
  'and not exists (select 1 from manifests m where m.repository_id = x.id) ' +
  'and not exists (select 1 from tag_history h where h.repository_id = x.id)';

/** Maximum rows deleted per transaction: other writers wait for it. */
const MOST_DELETED = 25;

/** SQLite returns a condition as a number. */
interface GarbageRow {
  readonly digest: string;
  readonly dead: boolean | number;
}

interface ChangeRow {
  readonly id: number | string;
  readonly repository_id: number;
  readonly name: string;
  readonly dead: boolean | number;
}

interface RepositoryRow {
  readonly id: number;
  readonly name: string;
  readonly dead: boolean | number;
}

interface NamedGarbageRow extends GarbageRow {
  readonly repository_id: number;
}

type BlobGarbageRow = GarbageRow & BlobRow;

/** Rows that may be garbage: their table, the needed columns, and the condition for garbage, as SQL about `x`. */
interface SweptRows {
  readonly table: string;
  readonly columns: readonly string[];
  readonly condition: string;
}

/** The column that orders the rows, and a value before the first. */
interface RowKey<Column extends string> {
  readonly column: Column;
  readonly first: string;
}

const BY_ID: RowKey<'id'> = { column: 'id', first: '0' };
const BY_DIGEST: RowKey<'digest'> = { column: 'digest', first: '' };

/** The GarbageCatalog in the catalog's tables. */
export class KnexGarbage implements GarbageCatalog {
  readonly #knex: Knex;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  takeLease(lease: Lease, milliseconds: number): Promise<boolean> {
    return inTransaction(this.#knex, (trx) => takeLease(trx, lease, milliseconds));
  }

  dropLease({ name, holder }: Lease): Promise<void> {
    return inTransaction(this.#knex, async (trx) => {
      await trx('leases').where({ name, holder }).delete();
    });
  }

  sweepManifests(window: SweepWindow, before: Date): Promise<Swept<ManifestName>> {
    return this.#sweepNames('manifests', DEAD_MANIFEST, window, before, removeManifests);
  }

  sweepLinks(window: SweepWindow, before: Date): Promise<Swept<ManifestName>> {
    return this.#sweepNames('blob_links', DEAD_LINK, window, before, removeLinks);
  }

  sweepHistory(window: SweepWindow, before: Date): Promise<Swept<TagName>> {
    const rows = { table: 'tag_history', columns: ['id', 'repository_id', 'name'], condition: DEAD_CHANGE };
    return this.#sweepRows<ChangeRow, TagName>(rows, BY_ID, window, before, async (trx, dead) => {
      const names = await repositoryNames(trx, dead);
      return dead.map(({ repository_id, name }) => ({
        repository: names.get(repository_id) ?? '',
        tag: name,
      }));
    });
  }

  sweepRepositories(window: SweepWindow, before: Date): Promise<Swept<string>> {
    const rows = { table: 'repositories', columns: ['id', 'name'], condition: DEAD_REPOSITORY };
    return this.#sweepRows<RepositoryRow, string>(rows, BY_ID, window, before, async (_trx, dead) =>
      dead.map(({ name }) => name),
    );
  }

  sweepBlobs(window: SweepWindow, before: Date): Promise<Swept<StoredBlob>> {
    const rows = { table: 'blobs', columns: ['digest', 'size', 'location'], condition: DEAD_BLOB };
    return this.#sweepRows<BlobGarbageRow, StoredBlob>(rows, BY_DIGEST, window, before, async (_trx, dead) =>
      dead.map(blobOfRow),
    );
  }

  async namedOf(files: readonly StoredFile[]): Promise<ReadonlySet<string>> {
    // One statement, so that it sees an upload that ends meanwhile either before or after.
    const rows: readonly { readonly name: string }[] = await this.#knex('blobs')
      .whereIn('digest', [...new Set(files.map(({ digest }) => digest))])
      .select('location as name')
      .unionAll(
        this.#knex('uploads')
          .whereIn(
            'id',
            files.map(({ uploadId }) => uploadId),
          )
          .select('id as name'),
      );
    const names = new Set(rows.map(({ name }) => name));
    return new Set(
      files
        .filter(({ location, uploadId }) => names.has(location) || names.has(uploadId))
        .map(({ location }) => location),
    );
  }

  async knownUploads(ids: readonly string[]): Promise<ReadonlySet<string>> {
    return new Set<string>(
      await this.#knex('uploads')
        .whereIn('id', [...ids])
        .pluck('id'),
    );
  }

  /** Sweeps rows of a table with a single-column key; `itemsOf` returns the deleted items. */
  #sweepRows<Row extends { readonly dead: boolean | number }, Item>(
    { table, columns, condition }: SweptRows,
    { column, first }: RowKey<keyof Row & string>,
    { lease, limit, after = first }: SweepWindow,
    before: Date,
    itemsOf: (trx: Knex.Transaction, dead: readonly Row[]) => Promise<readonly Item[]>,
  ): Promise<Swept<Item>> {
    const look = async (knex: Knex): Promise<readonly Row[]> =>
      knex(`${table} as x`)
        .where(`x.${column}`, '>', after)
        .orderBy(`x.${column}`)
        .limit(limit)
        .select(columns.map((name) => `x.${name}`))
        .select(knex.raw(`(${condition}) as dead`, [before.getTime()]));
    const keyOf = (row: Row) => String(row[column]);
    return this.#sweep(lease, limit, look, keyOf, async (trx, dead) => {
      await trx(table).whereIn(column, dead.map(keyOf)).delete();
      return itemsOf(trx, dead);
    });
  }

  #sweepNames(
    table: 'manifests' | 'blob_links',
    condition: string,
    { lease, limit, after }: SweepWindow,
    before: Date,
    remove: (trx: Knex.Transaction, repositoryId: number, digests: readonly string[]) => Promise<unknown>,
  ): Promise<Swept<ManifestName>> {
    const [repositoryId, digest] = after === undefined ? [0, ''] : parseKey(after);
    const look = async (knex: Knex): Promise<readonly NamedGarbageRow[]> =>
      knex(`${table} as x`)
        .whereRaw('(x.repository_id, x.digest) > (?, ?)', [repositoryId, digest])
        .orderBy(['x.repository_id', 'x.digest'])
        .limit(limit)
        .select('x.repository_id', 'x.digest', knex.raw(`(${condition}) as dead`, [before.getTime()]));
    const keyOf = (row: NamedGarbageRow) => `${row.repository_id} ${row.digest}`;
    return this.#sweep(lease, limit, look, keyOf, async (trx, dead) => {
      for (const [id, rows] of Map.groupBy(dead, (row) => row.repository_id)) {
        await remove(
          trx,
          id,
          rows.map((row) => row.digest),
        );
      }
      return namesOf(trx, dead);
    });
  }

  /** Most windows have no garbage: they are read without a lock, and again with one before a delete. */
  async #sweep<Row extends { readonly dead: boolean | number }, Item>(
    lease: Lease,
    limit: number,
    look: (knex: Knex) => Promise<readonly Row[]>,
    keyOf: (row: Row) => string,
    remove: (trx: Knex.Transaction, dead: readonly Row[]) => Promise<readonly Item[]>,
  ): Promise<Swept<Item>> {
    const seen = await look(this.#knex);
    const last = seen.length < limit ? undefined : seen.at(-1);
    const rest = last && { next: keyOf(last) };
    if (!seen.some(({ dead }) => dead)) return { items: [], ...rest };
    const work = async (trx: Knex.Transaction) => {
      await enforceLease(trx, lease);
      const dead = (await look(trx)).filter((row) => row.dead);
      const now = dead.slice(0, MOST_DELETED);
      const items = now.length === 0 ? [] : await remove(trx, now);
      const lastNow = dead.length > now.length ? now.at(-1) : undefined;
      return { items, ...(lastNow === undefined ? rest : { next: keyOf(lastNow) }) };
    };
    return inTransaction(this.#knex, work, { clearWay: excludeWriters });
  }
}

function parseKey(key: string): readonly [number, string] {
  const [repositoryId = '', digest = ''] = key.split(' ');
  return [Number(repositoryId), digest];
}

async function namesOf(
  trx: Knex.Transaction,
  rows: readonly NamedGarbageRow[],
): Promise<readonly ManifestName[]> {
  const names = await repositoryNames(trx, rows);
  return rows.map((row) => ({
    repository: names.get(row.repository_id) ?? '',
    digest: parseDigest(row.digest),
  }));
}

async function repositoryNames(
  trx: Knex.Transaction,
  rows: readonly { readonly repository_id: number }[],
): Promise<ReadonlyMap<number, string>> {
  const ids = new Set(rows.map((row) => row.repository_id));
  const repositories: readonly { readonly id: number; readonly name: string }[] = await trx('repositories')
    .whereIn('id', [...ids])
    .select('id', 'name');
  return new Map(repositories.map(({ id, name }) => [id, name]));
}

/** Takes a lease that is free, expired or already the caller's; returns false when another process holds it. */
async function takeLease(
  trx: Knex.Transaction,
  { name, holder }: Lease,
  milliseconds: number,
): Promise<boolean> {
  const now = sharedNow(trx);
  const expires_at = trx.raw('? + ?', [now, milliseconds]);
  const renewed = await trx('leases')
    .where({ name })
    .where((mine) => mine.where({ holder }).orWhere('expires_at', '<=', now))
    .update({ holder, expires_at });
  if (renewed > 0) return true;
  await trx('leases').insert({ name, holder, expires_at }).onConflict('name').ignore();
  return (await trx('leases').where({ name, holder }).first('name')) !== undefined;
}

/**
 * Makes the transaction fail unless the caller holds a lease at its commit. It writes, so that SQLite blocks other
 * writers from then on. Throws LeaseLostError.
 */
async function enforceLease(trx: Knex.Transaction, { name, holder }: Lease): Promise<void> {
  const held = await trx('leases').where({ name, holder }).update({ holder });
  if (held === 0) throw new LeaseLostError(name);
}
