import type { Knex } from 'knex';
import type { Digest } from '../oci/digest.ts';
import type { NamePage, Page, TagCatalog } from './catalog.ts';
import { findRepositoryId } from './repositories.ts';
import { pageOfNames } from './rows.ts';
import { inTransaction } from './transaction.ts';

/** Tags: names of manifests within a repository. */
export class KnexTags implements TagCatalog {
  readonly #knex: Knex;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  async list(repository: string, { limit, after }: Page): Promise<NamePage> {
    const id = await findRepositoryId(this.#knex, repository);
    if (id === undefined) return { names: [], more: false };
    const query = this.#knex('tags')
      .where({ repository_id: id })
      .orderBy('name')
      .limit(limit + 1);
    if (after !== undefined) query.where('name', '>', after);
    return pageOfNames(await query.pluck('name'), limit);
  }

  delete(repository: string, tag: string): Promise<boolean> {
    return inTransaction(this.#knex, async (trx) => {
      const id = await findRepositoryId(trx, repository);
      if (id === undefined) return false;
      return (await trx('tags').where({ repository_id: id, name: tag }).delete()) > 0;
    });
  }
}

/** Points tags at a manifest of the repository, wherever they pointed before. */
export async function pointTags(
  trx: Knex.Transaction,
  repositoryId: number,
  tags: readonly string[],
  digest: Digest,
): Promise<void> {
  for (const name of tags) {
    await trx('tags')
      .insert({ repository_id: repositoryId, name, manifest_digest: digest, updated_at: Date.now() })
      .onConflict(['repository_id', 'name'])
      .merge(['manifest_digest', 'updated_at']);
  }
}
