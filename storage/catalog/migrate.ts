import type { Knex } from 'knex';
import { isPostgres } from './rows.ts';
import { inTransaction } from './transaction.ts';

/** One step of a schema. Once released, neither its name nor its effect may change. */
export interface Migration {
  /** Such as `0001-catalog`; names increase in the order of the list. */
  readonly name: string;
  up(knex: Knex.Transaction): Promise<void>;
  /**
   * Undoes `up` and keeps all other content, including content that was written since. Absent if it cannot be undone.
   */
  down?(knex: Knex.Transaction): Promise<void>;
  /** Whether `up` removes something that the previous version uses; by default it only adds. */
  readonly contracts?: boolean;
  /** Tables whose rows `up` reads or changes; by default none. */
  readonly touches?: readonly string[];
}

/** The steps of one part of a database. */
export interface MigrationList {
  /** The table that records the executed steps, so that several lists can share a database. */
  readonly table: string;
  readonly steps: readonly Migration[];
}

/**
 * Runs the missing `migrations` in one transaction: a killed process leaves neither a partial schema nor a lock.
 * `tableName` records the executed ones. Throws when the database has steps that this version does not know.
 */
export function migrate(knex: Knex, tableName: string, migrations: readonly Migration[]): Promise<void> {
  return migrateAll(knex, [{ table: tableName, steps: migrations }]);
}

/** Runs the missing steps of all lists in one transaction, as `migrate` does for one list. */
export async function migrateAll(knex: Knex, lists: readonly MigrationList[]): Promise<void> {
  await inMigration(knex, async (trx) => {
    for (const { table, steps } of lists) {
      if (!(await trx.schema.hasTable(table))) {
        await trx.schema.createTable(table, (made) => {
          made.string('name', 255).primary();
          made.bigInteger('applied_at').notNullable();
        });
      }
      const applied = new Set<string>(await trx(table).pluck('name'));
      for (const step of steps) {
        if (applied.delete(step.name)) continue;
        await step.up(trx);
        await trx(table).insert({ name: step.name, applied_at: Date.now() });
      }
      if (applied.size > 0) throw laterVersion(table, [...applied]);
    }
  });
}

function laterVersion(table: string, unknown: readonly string[]): Error {
  return new Error(
    `the database was written by a later version: it has the unknown steps ${unknown.join(', ')} in ${table}; ` +
      'use that version, or restore a backup',
  );
}

/** Lists the executed steps of a list in the order of their names; none if the database lacks the list. */
export async function appliedSteps(knex: Knex, { table }: MigrationList): Promise<readonly string[]> {
  if (!(await knex.schema.hasTable(table))) return [];
  return knex(table).orderBy('name').pluck('name');
}

/** A step cannot be undone, because it has removed something. */
export class UndoRefusedError extends Error {
  constructor(step: string) {
    super(`the step ${step} cannot be undone`);
    this.name = 'UndoRefusedError';
  }
}

/**
 * Undoes the executed steps after the first `keep` ones of each list, the latest first, in one transaction. Returns
 * their names. Throws UndoRefusedError, and Error when the database has steps that this version does not know; then
 * nothing has changed.
 */
export async function undoSteps(
  knex: Knex,
  lists: readonly (MigrationList & { readonly keep: number })[],
): Promise<readonly string[]> {
  let undone: string[] = [];
  await inMigration(knex, async (trx) => {
    // A repeated transaction begins again.
    undone = [];
    for (const list of lists.toReversed()) {
      const applied = await appliedSteps(trx, list);
      const unknown = applied.filter((name) => !list.steps.some((step) => step.name === name));
      if (unknown.length > 0) throw laterVersion(list.table, unknown);
      for (const step of list.steps.slice(list.keep).toReversed()) {
        if (!applied.includes(step.name)) continue;
        if (step.down === undefined) throw new UndoRefusedError(step.name);
        await step.down(trx);
        await trx(list.table).where({ name: step.name }).delete();
        undone.push(step.name);
      }
    }
  });
  return undone;
}

/** Any number, but the same for all processes. */
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
