import knex, { type Knex } from 'knex';
import { Client, type ClientConfig, type CustomTypesConfig, types } from 'pg';
import { Semaphore } from '../../../lib/sync/semaphore.ts';
import { PATIENCE, PatientClient } from './patient-client.ts';

/** Connections per process, not counting that of its PostgresVersion. */
const CONNECTIONS = 10;
/** Maximum milliseconds of a statement. */
const STATEMENT_TIME = 30_000;
/** A serialisable transaction that waits for a row has to restart anyway, unless the other one fails. */
const LOCK_TIME = 250;
const IDLE_TIME = 30_000;
const CONNECT_TIME = 5_000;
/** Longer than the server's own limits: after this the server counts as dead. */
const ANSWER_TIME = 45_000;

const INT8 = 20;
/** Parses counts and times in milliseconds: all are below 2^53. */
const TYPES: CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === INT8 ? Number : types.getTypeParser(oid, format)) as typeof types.getTypeParser,
};

/**
 * Serialisable transactions lock everything they read, and a scan locks a whole table. On small tables the planner
 * prefers scans, so all writers would conflict. Where there is no alternative, the high cost of a forbidden scan would
 * make the planner compile the statement each time, which takes longer than everything else.
 */
const SESSION = `
  set statement_timeout = ${STATEMENT_TIME};
  set lock_timeout = ${LOCK_TIME};
  set idle_in_transaction_session_timeout = ${IDLE_TIME};
  set enable_seqscan = off;
  set jit = off;
  set random_page_cost = 1`;

/**
 * Returns the options for connecting to the database of a URL
 * (`postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…`).
 */
export function postgresConnection(url: string): ClientConfig {
  const lenient = new URL(url);
  // sslmode as PostgreSQL documents it: `require` encrypts, `verify-full` also verifies the server.
  lenient.searchParams.set('uselibpqcompat', 'true');
  return {
    connectionString: lenient.href,
    application_name: 'berth',
    connectionTimeoutMillis: CONNECT_TIME,
    query_timeout: ANSWER_TIME,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: TYPES,
  };
}

/**
 * Opens an existing PostgreSQL database, with a pool that reconnects by itself. Queries wait for a server that
 * restarts, and fail with DatabaseUnavailableError when it takes too long. Throws the driver's error when the first
 * connection fails. Close it with `destroy()`.
 */
export async function openPostgres(url: string): Promise<Knex> {
  const connection = postgresConnection(url);
  const first = new Client(connection);
  first.on('error', () => undefined);
  try {
    await first.connect();
  } finally {
    await first.end().catch(() => undefined);
  }
  const config: Knex.Config & { readonly retries: Semaphore } = {
    retries: new Semaphore(1),
    client: PatientClient,
    connection: connection as Knex.PgConnectionConfig,
    acquireConnectionTimeout: PATIENCE,
    // Its messages would contain the values of statements, such as hashes of passwords.
    compileSqlOnError: false,
    pool: { min: 0, max: CONNECTIONS, propagateCreateError: false, afterCreate: configure },
    log: QUIET,
  };
  return knex(config);
}

/** Silent, because every error is also thrown. */
const QUIET: Knex.Logger = { warn: () => undefined, error: () => undefined, deprecate: () => undefined };

function configure(connection: Client, done: (error: unknown, connection: Client) => void): void {
  connection.query(SESSION, (error) => done(error, connection));
}
