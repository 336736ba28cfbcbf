import type { Knex } from 'knex';

/** The database as auth/ uses it. Says nothing that only one kind of database understands. */
export interface AuthDatabase {
  /** For what only reads. */
  readonly read: Knex;
  /**
   * Runs `work` in one transaction, as if no other ran meanwhile, however many processes write; again from the start
   * when it had to give way, so `work` does nothing outside the database. Durable unless told otherwise.
   */
  write<Result>(
    work: (trx: Knex.Transaction) => Promise<Result>,
    options?: { readonly durable?: boolean },
  ): Promise<Result>;
}
