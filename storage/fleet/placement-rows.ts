import type { Knex } from 'knex';
import type { Placement } from '../../fleet/release.ts';
import { batches } from '../catalog/rows.ts';

/** Rows of one statement, whose values databases limit. */
const AT_ONCE = 100;

export interface PlacementRow {
  readonly app: string;
  readonly service: string;
  readonly host: string;
  readonly instances: string;
}

export function placementOf({ service, host, instances }: PlacementRow): Placement {
  return { service, host, instances: JSON.parse(instances) };
}

/** Records the placement of an app on hosts that were not removed meanwhile. */
export async function replacePlacements(
  trx: Knex.Transaction,
  app: string,
  placements: readonly Placement[],
): Promise<void> {
  await trx('placements').where({ app }).delete();
  const there = await presentHosts(trx, [...new Set(placements.map(({ host }) => host))]);
  const rows = placements
    .filter(({ host }) => there.has(host))
    .map(({ service, host, instances }) => ({ app, service, host, instances: JSON.stringify(instances) }));
  for (const batch of batches(rows, AT_ONCE)) await trx('placements').insert([...batch]);
}

/** Returns those of the hosts, by ID, that were not removed meanwhile. */
async function presentHosts(trx: Knex.Transaction, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const there = new Set<string>();
  for (const batch of batches(ids, AT_ONCE)) {
    for (const id of await trx('hosts')
      .whereIn('id', [...batch])
      .pluck('id'))
      there.add(id);
  }
  return there;
}
