import type { Knex } from 'knex';

/** One step of the schema of auth/; whoever opens the database runs those that it has not seen, in order. */
export interface AccountMigration {
  readonly name: string;
  up(trx: Knex.Transaction): Promise<void>;
}

export const ACCOUNT_MIGRATIONS: readonly AccountMigration[] = [
  {
    name: '0001-accounts',
    up: async (trx) => {
      await trx.schema.createTable('accounts', (table) => {
        table.string('name', 128).primary();
        table.string('password_hash', 512).notNullable();
        table.boolean('admin').notNullable();
        table.string('created_at', 32).notNullable();
      });
    },
  },
];
