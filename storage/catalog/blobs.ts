import type { Knex } from 'knex';
import type { StoredBlob } from '../blobs/blob-driver.ts';
import type { Digest } from '../oci/digest.ts';
import type { BlobCatalog } from './catalog.ts';
import { ensureRepository, findRepositoryId } from './repositories.ts';
import { BLOB_COLUMNS, blobOfRow } from './rows.ts';
import { inTransaction } from './transaction.ts';

/** Blobs, and which repositories have them. */
export class KnexBlobs implements BlobCatalog {
  readonly #knex: Knex;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  link(repository: string, blob: StoredBlob): Promise<void> {
    return inTransaction(this.#knex, async (trx) => {
      await linkBlob(trx, await ensureRepository(trx, repository), blob);
    });
  }

  find(repository: string, digest: Digest): Promise<StoredBlob | undefined> {
    return findLinked(this.#knex, repository, digest);
  }

  async findAnywhere(digest: Digest): Promise<StoredBlob | undefined> {
    const row = await this.#knex('blobs').where({ digest }).first(BLOB_COLUMNS);
    return row === undefined ? undefined : blobOfRow(row);
  }

  mount(from: string, to: string, digest: Digest): Promise<StoredBlob | undefined> {
    return inTransaction(this.#knex, async (trx) => {
      const blob = await findLinked(trx, from, digest);
      if (blob !== undefined) await addLink(trx, await ensureRepository(trx, to), digest);
      return blob;
    });
  }

  unlink(repository: string, digest: Digest): Promise<boolean> {
    return inTransaction(this.#knex, async (trx) => {
      const id = await findRepositoryId(trx, repository);
      return id !== undefined && (await removeLink(trx, id, digest));
    });
  }
}

/** Records a blob and links it; where it is recorded already, the later place is the one that is surely there. */
export async function linkBlob(trx: Knex.Transaction, repositoryId: number, blob: StoredBlob): Promise<void> {
  const { digest, size, location } = blob;
  await trx('blobs')
    .insert({ digest, size, location, created_at: Date.now() })
    .onConflict('digest')
    .merge(['size', 'location']);
  await addLink(trx, repositoryId, digest);
}

export async function removeLink(
  trx: Knex.Transaction,
  repositoryId: number,
  digest: Digest,
): Promise<boolean> {
  return (await trx('blob_links').where({ repository_id: repositoryId, digest }).delete()) > 0;
}

async function addLink(trx: Knex.Transaction, repositoryId: number, digest: Digest): Promise<void> {
  await trx('blob_links')
    .insert({ repository_id: repositoryId, digest, created_at: Date.now() })
    .onConflict(['repository_id', 'digest'])
    .ignore();
}

async function findLinked(knex: Knex, repository: string, digest: Digest): Promise<StoredBlob | undefined> {
  const row = await knex('repositories')
    .join('blob_links', 'blob_links.repository_id', 'repositories.id')
    .join('blobs', 'blobs.digest', 'blob_links.digest')
    .where({ 'repositories.name': repository, 'blob_links.digest': digest })
    .first(BLOB_COLUMNS);
  return row === undefined ? undefined : blobOfRow(row);
}
