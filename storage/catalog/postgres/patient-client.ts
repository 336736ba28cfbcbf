import PostgresClient, { type Statement } from 'knex/lib/dialects/postgres/index.js';
import { DatabaseUnavailableError, TextRefusedError } from '../../errors.ts';
import { isOfText, troubleOf } from './postgres-errors.ts';

/** Milliseconds for which a query waits for a database that is not there. */
export const PATIENCE = 10_000;

/** The part of a connection, marked by knex, that is needed here. */
interface Connection {
  /** That the pool must not lend it again. */
  __knex__disposed?: unknown;
  readonly __knexTxId?: string;
}

/**
 * knex's client of PostgreSQL for a server that restarts: what only reads waits for it and is asked again, and
 * everything else fails with DatabaseUnavailableError, which says whether it may have happened.
 */
export class PatientClient extends PostgresClient {
  #refusal: unknown;

  /** Why the server refuses connections: the pool tells only that there is none. */
  override async acquireRawConnection(): Promise<unknown> {
    try {
      const connection = await super.acquireRawConnection();
      this.#refusal = undefined;
      return connection;
    } catch (error) {
      this.#refusal = error;
      throw error;
    }
  }

  override async acquireConnection(): Promise<unknown> {
    try {
      return await super.acquireConnection();
    } catch (error) {
      throw new DatabaseUnavailableError('the database gives no connection', {
        cause: this.#refusal ?? error,
      });
    }
  }

  /** Of transactions too, which have a client that was not constructed: it has no private parts. */
  override async _query(connection: Connection, statement: Statement): Promise<unknown> {
    const giveUpAt = performance.now() + PATIENCE;
    const ask = async (on: Connection) => {
      try {
        return await super._query(on, statement);
      } catch (cause) {
        throw explain(cause, on, statement);
      }
    };
    try {
      return await ask(connection);
    } catch (error) {
      const mayAskAgain = !isInTransaction(connection) && /^\s*select\b/i.test(statement.sql);
      if (!(error instanceof DatabaseUnavailableError) || !mayAskAgain) throw error;
    }
    for (;;) {
      const other = await this.acquireConnection();
      try {
        return await ask(other as Connection);
      } catch (error) {
        if (!(error instanceof DatabaseUnavailableError) || performance.now() > giveUpAt) throw error;
      } finally {
        await this.releaseConnection(other);
      }
    }
  }
}

function isInTransaction({ __knexTxId }: Connection): boolean {
  return __knexTxId !== undefined;
}

/** The error to throw for what the driver has thrown; a connection that is over is marked as such. */
function explain(cause: unknown, connection: Connection, { sql }: Statement): unknown {
  if (isOfText(cause)) return new TextRefusedError('the database refuses a text', { cause });
  const trouble = troubleOf(cause);
  if (trouble === undefined) return cause;
  if (trouble === 'unreachable') connection.__knex__disposed = cause;
  const ends = !isInTransaction(connection) || /^\s*commit\b/i.test(sql);
  const inDoubt = ends && trouble === 'unreachable';
  return new DatabaseUnavailableError(`the database is ${trouble}`, { cause, inDoubt });
}
