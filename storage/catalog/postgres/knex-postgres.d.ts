/** The part of knex's dialect for PostgreSQL that this folder builds on; it has no types of its own. */
declare module 'knex/lib/dialects/postgres/index.js' {
  import type { Knex } from 'knex';

  interface Statement {
    readonly sql: string;
  }

  class PostgresClient extends Knex.Client {
    acquireConnection(): Promise<unknown>;
    releaseConnection(connection: unknown): Promise<void>;
    acquireRawConnection(): Promise<unknown>;
    _query(connection: unknown, statement: Statement): Promise<unknown>;
  }

  export { PostgresClient as default, type Statement };
}
