import PostgresClient, { type Statement } from 'knex/lib/dialects/postgres/index.js';
import { DatabaseUnavailableError, TextRefusedError } from '../../errors.ts';
import { isOfText, troubleOf } from './postgres-errors.ts';

/** Milliseconds for which a query waits for an unavailable database. */
export const PATIENCE = 10_000;

/** The part of a connection, marked by knex, that this file uses. */
interface Connection {
  /** Whether the pool must not lend it again. */
  __knex__disposed?: unknown;
  readonly __knexTxId?: string;
}

/**
 * knex's PostgreSQL client for a server that restarts: reads wait for it and are repeated; everything else fails with
 * DatabaseUnavailableError, which says whether the change may have happened.
 */
export class PatientClient extends PostgresClient {
  #refusal: unknown;

  /** Reports why the server refuses connections; the pool only reports that there is none. */
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
      throw new DatabaseUnavailableError('the database provides no connection', {
        cause: this.#refusal ?? error,
      });
    }
  }

  /** Also used for transactions, whose client was not constructed and has no private fields. */
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

/** Translates an error of the driver; marks a connection that has ended. */
function explain(cause: unknown, connection: Connection, { sql }: Statement): unknown {
  if (isOfText(cause)) return new TextRefusedError('the database refuses a text', { cause });
  const trouble = troubleOf(cause);
  if (trouble === undefined) return cause;
  if (trouble === 'unreachable') connection.__knex__disposed = cause;
  const ends = !isInTransaction(connection) || /^\s*commit\b/i.test(sql);
  const inDoubt = ends && trouble === 'unreachable';
  return new DatabaseUnavailableError(`the database is ${trouble}`, { cause, inDoubt });
}
