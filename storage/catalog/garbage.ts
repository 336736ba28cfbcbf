import type { Knex } from 'knex';
import type { StoredBlob, StoredFile } from '../blobs/blob-driver.ts';
import { type Digest, parseDigest } from '../oci/digest.ts';
import { removeLink } from './blobs.ts';
import type { GarbageCatalog, Lease, ManifestName, SweepWindow, Swept } from './garbage-catalog.ts';
import { enforceLease, takeLease } from './leases.ts';
import { removeManifest } from './manifests.ts';
import { type BlobRow, batches, blobOfRow } from './rows.ts';
import { inTransaction } from './transaction.ts';

/** `r` refers to `x`, other than to say what it is about. */
const REFERRED_TO =
  'exists (select 1 from manifest_references r where r.repository_id = x.repository_id and r.digest = x.digest ' +
  "and r.kind <> 'subject')";

const DEAD_MANIFEST =
  'not exists (select 1 from tags t where t.repository_id = x.repository_id and t.manifest_digest = x.digest) ' +
  `and not ${REFERRED_TO} ` +
  'and not exists (select 1 from manifests s where s.repository_id = x.repository_id and s.digest = x.subject) ' +
  'and exists (select 1 from blob_links l where l.repository_id = x.repository_id and l.digest = x.digest ' +
  'and l.touched_at <= ?)';

const DEAD_LINK =
  'x.touched_at <= ? ' +
  'and not exists (select 1 from manifests m where m.repository_id = x.repository_id and m.digest = x.digest) ' +
  `and not ${REFERRED_TO}`;

const DEAD_BLOB =
  'not exists (select 1 from blob_links l where l.digest = x.digest) ' +
  'and not exists (select 1 from manifests m where m.digest = x.digest)';

interface NamedRow {
  readonly repository_id: number;
  readonly digest: string;
  readonly dead: boolean | number;
}

/** What garbage collection deletes. */
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
    return this.#sweepNames('manifests', DEAD_MANIFEST, window, before, removeManifest);
  }

  sweepLinks(window: SweepWindow, before: Date): Promise<Swept<ManifestName>> {
    return this.#sweepNames('blob_links', DEAD_LINK, window, before, removeLink);
  }

  async sweepBlobs({ lease, limit, after = '' }: SweepWindow): Promise<Swept<StoredBlob>> {
    const look = async (knex: Knex): Promise<readonly (BlobRow & { readonly dead: boolean | number })[]> =>
      knex('blobs as x')
        .where('x.digest', '>', after)
        .orderBy('x.digest')
        .limit(limit)
        .select('x.digest', 'x.size', 'x.location', knex.raw(`(${DEAD_BLOB}) as dead`));
    const seen = await look(this.#knex);
    const next = seen.length < limit ? undefined : seen.at(-1)?.digest;
    if (!seen.some(({ dead }) => dead)) return { items: [], ...(next !== undefined && { next }) };
    const items = await inTransaction(this.#knex, async (trx) => {
      await enforceLease(trx, lease);
      const dead = (await look(trx)).filter((row) => row.dead);
      for (const { digest } of dead) await trx('blobs').where({ digest }).delete();
      return dead.map(blobOfRow);
    });
    return { items, ...(next !== undefined && { next }) };
  }

  async isNamed({ digest, location, uploadId }: StoredFile): Promise<boolean> {
    // One statement, so that it sees an upload that ends meanwhile either before or after.
    const row = await this.#knex
      .select(this.#knex.raw('1 as named'))
      .whereExists(this.#knex('blobs').where({ digest, location }).select('digest'))
      .orWhereExists(this.#knex('uploads').where({ id: uploadId }).select('id'))
      .first();
    return row !== undefined;
  }

  async knownUploads(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const known = new Set<string>();
    for (const batch of batches(ids, 200)) {
      for (const id of await this.#knex('uploads')
        .whereIn('id', [...batch])
        .pluck('id'))
        known.add(id);
    }
    return known;
  }

  async #sweepNames(
    table: 'manifests' | 'blob_links',
    condition: string,
    { lease, limit, after }: SweepWindow,
    before: Date,
    remove: (trx: Knex.Transaction, repositoryId: number, digest: Digest) => Promise<boolean>,
  ): Promise<Swept<ManifestName>> {
    const [repositoryId, digest] = after === undefined ? [0, ''] : parseKey(after);
    const look = async (knex: Knex): Promise<readonly NamedRow[]> =>
      knex(`${table} as x`)
        .whereRaw('(x.repository_id, x.digest) > (?, ?)', [repositoryId, digest])
        .orderBy(['x.repository_id', 'x.digest'])
        .limit(limit)
        .select('x.repository_id', 'x.digest', knex.raw(`(${condition}) as dead`, [before.getTime()]));
    // Most windows hold no garbage: those are looked at without a lock.
    const seen = await look(this.#knex);
    const last = seen.length < limit ? undefined : seen.at(-1);
    const next = last && { next: `${last.repository_id} ${last.digest}` };
    if (!seen.some(({ dead }) => dead)) return { items: [], ...next };
    const items = await inTransaction(this.#knex, async (trx) => {
      await enforceLease(trx, lease);
      const dead = (await look(trx)).filter((row) => row.dead);
      for (const row of dead) await remove(trx, row.repository_id, parseDigest(row.digest));
      return namesOf(trx, dead);
    });
    return { items, ...next };
  }
}

function parseKey(key: string): readonly [number, string] {
  const [repositoryId = '', digest = ''] = key.split(' ');
  return [Number(repositoryId), digest];
}

async function namesOf(trx: Knex.Transaction, rows: readonly NamedRow[]): Promise<readonly ManifestName[]> {
  const ids = [...new Set(rows.map(({ repository_id }) => repository_id))];
  const names = new Map<number, string>();
  for (const batch of batches(ids, 200)) {
    for (const { id, name } of await trx('repositories')
      .whereIn('id', [...batch])
      .select('id', 'name')) {
      names.set(id, name);
    }
  }
  return rows.map(({ repository_id, digest }) => ({
    repository: names.get(repository_id) ?? '',
    digest: parseDigest(digest),
  }));
}
