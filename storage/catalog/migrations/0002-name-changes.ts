import type { Migration } from '../migrate.ts';
import { createChangeLog } from '../postgres/name-changes.ts';
import { isPostgres } from '../rows.ts';

const COUNTED = ['tags', 'manifests'] as const;

/**
 * A counter of changes to tags and manifests, for caches of names. Triggers maintain it, so that no program can forget
 * it.
 */
export const countNameChanges: Migration = {
  name: '0002-name-changes',
  async up(knex) {
    await knex.schema.createTable('name_changes', (table) => {
      table.bigInteger('count').notNullable();
    });
    await knex('name_changes').insert({ count: 0 });
    if (isPostgres(knex)) {
      await knex.raw(createChangeLog(COUNTED));
      return;
    }
    for (const table of COUNTED) {
      for (const change of ['insert', 'update', 'delete']) {
        await knex.raw(
          `create trigger ${table}_count_${change} after ${change} on ${table} ` +
            'begin update name_changes set count = count + 1; end',
        );
      }
    }
  },
};
