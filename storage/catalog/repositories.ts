import type { Knex } from 'knex';
import { Pace } from '../../lib/sync/pace.ts';
import type { DescribedRepository, NamePage, Page, RepositoryCatalog } from './catalog.ts';
import { pageOfNames } from './rows.ts';
import { inTransaction } from './transaction.ts';

/**
 * The RepositoryCatalog in the catalog's tables. Repositories without manifests and tags exist, but are not listed: a
 * request for their tags gets an empty list, until garbage collection has removed their last blob and tag history.
 */
export class KnexRepositories implements RepositoryCatalog {
  readonly #knex: Knex;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  async list({ limit, after }: Page): Promise<NamePage> {
    const query = this.#knex('repositories')
      .whereExists(
        // A tag has a manifest, so checking manifests suffices.
        this.#knex('manifests')
          .whereRaw('?? = ??', ['manifests.repository_id', 'repositories.id'])
          .select('digest'),
      )
      .orderBy('name')
      .limit(limit + 1);
    if (after !== undefined) query.where('name', '>', after);
    return pageOfNames(await query.pluck('name'), limit);
  }

  search(text: string, page: Page): Promise<readonly DescribedRepository[]> {
    return searchRepositories(this.#knex, text, page);
  }

  async describe(repository: string, description: string): Promise<void> {
    const row = await this.#knex('repositories').where({ name: repository }).first('description');
    // Nearly every push repeats the same description.
    if (row === undefined || row.description === description) return;
    await inTransaction(this.#knex, async (trx) => {
      await trx('repositories').where({ name: repository }).update({ description });
    });
  }

  async exists(repository: string): Promise<boolean> {
    return (await findRepositoryId(this.#knex, repository)) !== undefined;
  }
}

/** Returns the key of a repository, or undefined when there is none with this name. */
export async function findRepositoryId(knex: Knex, name: string): Promise<number | undefined> {
  const row = await knex('repositories').where({ name }).first('id');
  return row?.id;
}

/** Returns the key of a repository, and creates it if needed, even if others create it concurrently. */
export async function ensureRepository(trx: Knex.Transaction, name: string): Promise<number> {
  const present = await findRepositoryId(trx, name);
  if (present !== undefined) return present;
  await trx('repositories').insert({ name, created_at: Date.now() }).onConflict('name').ignore();
  const made = await findRepositoryId(trx, name);
  if (made === undefined) throw new Error(`the repository ${name} was removed while it was being written to`);
  return made;
}

/** Names per query. */
const WINDOW = 1000;

interface RepositoryRow {
  readonly name: string;
  readonly description: string | null;
}

/** Finds repositories with a manifest whose name or description contains `text`, ignoring the case of ASCII letters. */
async function searchRepositories(
  knex: Knex,
  text: string,
  { limit, after }: Page,
): Promise<readonly DescribedRepository[]> {
  const pattern = `%${text.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`;
  const found: RepositoryRow[] = [];
  const pace = new Pace(WINDOW);
  for (let start = after ?? ''; found.length < limit; ) {
    // A text that matches no name would be compared with all of them, so the search works in windows of names.
    const end: { readonly name: string } | undefined = await knex('repositories')
      .where('name', '>', start)
      .orderBy('name')
      .offset(WINDOW - 1)
      .first('name');
    const query = knex('repositories')
      .where('name', '>', start)
      .whereExists(
        knex('manifests')
          .whereRaw('?? = ??', ['manifests.repository_id', 'repositories.id'])
          .select('digest'),
      )
      .andWhere((either) =>
        either
          .whereRaw("name like ? escape '\\'", [pattern])
          .orWhereRaw("lower(description) like ? escape '\\'", [pattern]),
      )
      .orderBy('name')
      .limit(limit - found.length)
      .select('name', 'description');
    if (end !== undefined) query.where('name', '<=', end.name);
    found.push(...((await query) as readonly RepositoryRow[]));
    if (end === undefined) break;
    start = end.name;
    await pace.after(WINDOW);
  }
  return found.map(({ name, description }) => ({ name, ...(description !== null && { description }) }));
}
