import type { Knex } from 'knex';
import type { Digest } from '../../oci/digest.ts';
import type { ContainerBase } from './container.ts';

/** The layers that the containers in the database stand on, also before its schema is brought up to date. */
export async function layersOfContainers(knex: Knex): Promise<readonly Digest[]> {
  if (!(await knex.schema.hasColumn('containers', 'base'))) return [];
  const rows: string[] = await knex('containers').whereNotNull('base').pluck('base');
  return rows.flatMap((text) => (JSON.parse(text) as ContainerBase).diffIds);
}
