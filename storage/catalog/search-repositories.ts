import type { Knex } from 'knex';
import type { DescribedRepository, Page } from './catalog.ts';

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
  const query = knex('repositories')
    .whereExists(
      knex('manifests').whereRaw('?? = ??', ['manifests.repository_id', 'repositories.id']).select('digest'),
    )
    .andWhere((either) =>
      either
        .whereRaw("name like ? escape '\\'", [pattern])
        .orWhereRaw("lower(description) like ? escape '\\'", [pattern]),
    )
    .orderBy('name')
    .limit(limit)
    .select('name', 'description');
  if (after !== undefined) query.where('name', '>', after);
  const rows: readonly RepositoryRow[] = await query;
  return rows.map(({ name, description }) => ({ name, ...(description !== null && { description }) }));
}
