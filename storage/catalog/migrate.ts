import type { Knex } from 'knex';
import { isPostgres } from './rows.ts';
import { inTransaction } from './transaction.ts';

/** One step of a schema. Once released, neither its name nor its effect may change. */
export interface Migration {
  /** Such as `0001-catalog`; names run upwards in the order of the list. */
  readonly name: string;
  up(knex: Knex.Transaction): Promise<void>;
}

/**
 * Runs the missing `migrations` in one transaction: a killed process leaves neither a partial schema nor a lock.
 * `tableName` records the executed ones, so that several lists can share a database. Throws when the database has steps
 * that this version does not know.
 */
export async function migrate(
  knex: Knex,
  tableName: string,
  migrations: readonly Migration[],
): Promise<void> {
  await inMigration(knex, async (trx) => {
    if (!(await trx.schema.hasTable(tableName))) {
      await trx.schema.createTable(tableName, (table) => {
        table.string('name', 255).primary();
        table.bigInteger('applied_at').notNullable();
      });
    }
    const applied = new Set<string>(await trx(tableName).pluck('name'));
    for (const migration of migrations) {
      if (applied.delete(migration.name)) continue;
      await migration.up(trx);
      await trx(tableName).insert({ name: migration.name, applied_at: Date.now() });
    }
    if (applied.size > 0) {
      throw new Error(
        `the database was written by a later version: it has the unknown steps ${[...applied].join(', ')} in ` +
          `${tableName}; use that version, or restore a backup`,
      );
    }
  });
}

/** Any number: the processes that start at the same time must have the same. */
const MIGRATION_LOCK = 4_281_903_117;

/** Locks out other processes. Not a serialisable transaction: its snapshot would be older than the lock. */
async function inMigration(knex: Knex, work: (trx: Knex.Transaction) => Promise<void>): Promise<void> {
  if (!isPostgres(knex)) return inTransaction(knex, work);
  await knex.transaction(
    async (trx) => {
      await trx.raw('set local lock_timeout = 0');
      await trx.raw('set local statement_timeout = 0');
      await trx.raw('select pg_advisory_xact_lock(?)', [MIGRATION_LOCK]);
      await work(trx);
    },
    { isolationLevel: 'read committed' },
  );
}
