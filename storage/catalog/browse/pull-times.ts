import type { Knex } from 'knex';
import { foldRepositoryDeltas } from '../postgres/repository-triggers.ts';
import { batches, isPostgres } from '../rows.ts';
import { inStatement } from '../transaction.ts';

/** The last pull of a manifest by a tag or its digest. */
export interface PullTime {
  readonly repository: string;
  /** A tag or a digest. */
  readonly reference: string;
  readonly at: Date;
}

/** Maximum pulls that one statement records. */
const AT_ONCE = 500;

/** The rows of the list in the parameter: as JSON, so that the statement is the same for any number. */
const GIVEN = {
  sqlite: '(select value ->> 0 as name, value ->> 1 as reference, value ->> 2 as at from json_each(?))',
  postgres: `(select value ->> 0 as name, value ->> 1 as reference, cast(value ->> 2 as bigint) as at
    from json_array_elements(cast(? as json)) as given(value))`,
};

const RECORD = (given: string, later: string) => `
  insert into pulls (repository_id, reference, pulled_at)
    select r.id, g.reference, g.at from ${given} g join repositories r on r.name = g.name
      where exists (select 1 from tags t where t.repository_id = r.id and t.name = g.reference)
        or exists (select 1 from manifests m where m.repository_id = r.id and m.digest = g.reference)
    on conflict (repository_id, reference) do update set pulled_at = ${later}(pulls.pulled_at, excluded.pulled_at)`;

/**
 * Records the last pull of tags and manifests: each pair of repository and reference at most once in `pulls`. Deleted
 * ones are ignored, and no time moves backwards. A power cut may undo it.
 */
export async function recordPulls(knex: Knex, pulls: readonly PullTime[]): Promise<void> {
  const postgres = isPostgres(knex);
  const sql = postgres ? RECORD(GIVEN.postgres, 'greatest') : RECORD(GIVEN.sqlite, 'max');
  // In a fixed order, so that two replicas do not deadlock.
  const keyOf = ({ repository, reference }: PullTime) => `${repository}:${reference}`;
  const sorted = pulls.toSorted((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
  for (const batch of batches(sorted, AT_ONCE)) {
    const rows = batch.map(({ repository, reference, at }) => [repository, reference, at.getTime()]);
    await inStatement(knex, () => knex.raw(sql, [JSON.stringify(rows)]), { durable: false });
  }
  // Also if nobody reads lists, which would otherwise fold them.
  if (postgres) await foldRepositoryDeltas(knex);
}
