import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type QueryConfig, type QueryResultRow } from 'pg';
import { DatabaseUnavailableError } from '../../errors.ts';
import { postgresConnection } from './open-postgres.ts';
import { PATIENCE } from './patient-client.ts';
import { troubleOf } from './postgres-errors.ts';

const PAUSE = 200;

/** One connection, opened on first use and again after it ends, for state that belongs to a session. */
export class LastingClient {
  readonly #url: string;
  readonly #session: string;
  #connection: Promise<Client> | undefined;
  #closed = false;

  /** `session` is SQL that each connection runs first. */
  constructor(url: string, session = '') {
    this.#url = url;
    this.#session = session;
  }

  /**
   * Returns the rows of a statement, which is repeated when its connection breaks. Waits for a server that restarts.
   * Throws DatabaseUnavailableError when it takes too long.
   */
  async query<Row extends QueryResultRow>(statement: QueryConfig): Promise<readonly Row[]> {
    const giveUpAt = performance.now() + PATIENCE;
    for (;;) {
      this.#connection ??= this.#connect();
      const connection = this.#connection;
      try {
        return (await (await connection).query<Row>(statement)).rows;
      } catch (cause) {
        if (this.#connection === connection) this.#connection = undefined;
        connection.then((client) => client.end()).catch(() => {});
        if (troubleOf(cause) === undefined) throw cause;
        if (this.#closed || performance.now() > giveUpAt) {
          throw new DatabaseUnavailableError('the database is unreachable', { cause });
        }
      }
      await sleep(PAUSE);
    }
  }

  /** Runs a statement that may be lost with the connection; never rejects. */
  async tell(statement: QueryConfig): Promise<void> {
    await this.#connection?.then((client) => client.query(statement)).catch(() => {});
  }

  /** Makes later queries, and those that wait for a server, fail soon. */
  close(): void {
    this.#closed = true;
  }

  async end(): Promise<void> {
    this.close();
    await this.#connection?.then((client) => client.end()).catch(() => {});
  }

  async #connect(): Promise<Client> {
    const client = new Client(postgresConnection(this.#url));
    // The query that runs then fails too, or the next one.
    client.on('error', () => {});
    await client.connect();
    if (this.#session !== '') await client.query(this.#session);
    return client;
  }
}
