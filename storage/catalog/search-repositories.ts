import type { Knex } from 'knex';
import { Pace } from '../../lib/sync/pace.ts';
import type { DescribedRepository, Page } from './catalog.ts';

/** Names that one query goes through. */
const WINDOW = 1000;

interface RepositoryRow {
  readonly name: string;
  readonly description: string | null;
}

/** Repositories with a manifest whose name or description holds `text`, whatever the case of ASCII letters. */
export async function searchRepositories(
  knex: Knex,
  text: string,
  { limit, after }: Page,
): Promise<readonly DescribedRepository[]> {
  const pattern = `%${text.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`;
  const found: RepositoryRow[] = [];
  const pace = new Pace(WINDOW);
  for (let start = after ?? ''; found.length < limit; ) {
    // A text that is nowhere is looked for in all of them, so it is done in windows of names.
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
