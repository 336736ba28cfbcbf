import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import knex, { type Knex } from 'knex';
import { makeFolder } from '../../lib/files/make-folder.ts';
import { makePrivateFile } from '../../lib/files/private-file.ts';
import { LogSync } from './log-sync.ts';
import { onConnection, TransactionGroup } from './transaction.ts';

const STATEMENTS_KEPT = 200;

/** An open database, opaque to callers that only pass it on. */
export type Database = Knex;

export interface DatabaseOptions {
  /** Path of the SQLite file; it is created with its folders if it does not exist. */
  readonly file: string;
  /**
   * Whether no other process may use the file. Then SQLite needs no shared-memory file, for which a full device has no
   * room.
   */
  readonly exclusive?: boolean;
  /** Called once, with the error of a failed sync, after which the stored content is unknown. */
  readonly onDeviceFailure?: (error: unknown) => void;
  /**
   * Called when the device is full; returns true when it has freed space, so that the transaction should be repeated.
   */
  readonly makeRoom?: () => Promise<boolean>;
}

/** The part of a better-sqlite3 connection that is needed to set it up. */
interface Connection extends PreparingConnection {
  pragma(source: string): unknown;
}

/**
 * Opens an SQLite database for reading and writing. A statement is on the disk when it has run. Other processes may use
 * the file too: write with inTransaction, which waits for them, and does not block the main thread for the device. Only
 * the owner can read the file. Close it with `destroy()`.
 */
export async function openDatabase({
  file,
  exclusive = false,
  onDeviceFailure,
  makeRoom,
}: DatabaseOptions): Promise<Knex> {
  makeFolder(dirname(file));
  // SQLite gives its journals the mode of the file, so the file must have the right one first.
  await makePrivateFile(file);
  await syncFolderOf(file);
  const transactionGroup: TransactionGroup<Knex.Transaction> = new TransactionGroup((work) =>
    onConnection(opened, work),
  );
  const logSync = new LogSync(file, { ...(onDeviceFailure && { onFailure: onDeviceFailure }) });
  const config: Knex.Config & OfSqlite = {
    client: 'better-sqlite3',
    logSync,
    ...(makeRoom && { makeRoom }),
    transactionGroup,
    connection: { filename: file },
    useNullAsDefault: true,
    // Its messages would contain the values of statements, such as hashes of passwords.
    compileSqlOnError: false,
    // One connection: transactions of this process queue here instead of failing on each other's locks.
    pool: {
      min: 1,
      max: 1,
      afterCreate: (connection: Connection, done: Done) => {
        // Before the mode of the journal: the first use decides about shared memory.
        if (exclusive) connection.pragma('locking_mode = EXCLUSIVE');
        configure(connection, logSync, done);
      },
    },
  };
  const opened = knex(config);
  opened.client.pool.on('poolDestroySuccess', () => logSync.close());
  return opened;
}

/** The configuration that transaction.ts reads. */
interface OfSqlite {
  readonly logSync: LogSync;
  readonly makeRoom?: () => Promise<boolean>;
  readonly transactionGroup: TransactionGroup<Knex.Transaction>;
}

type Done = (error: unknown, connection: Connection) => void;

function configure(connection: Connection, log: LogSync, done: Done): void {
  connection.pragma('busy_timeout = 5000');
  connection.pragma('journal_mode = WAL');
  connection.pragma('synchronous = FULL');
  connection.pragma('foreign_keys = ON');
  connection.pragma('journal_size_limit = 67108864');
  // SQLite waits on this thread, so a long wait would stop the whole process, and for ever if the process itself holds
  // the lock: inTransaction waits without blocking.
  connection.pragma('busy_timeout = 50');
  cacheStatements(connection, STATEMENTS_KEPT);
  holdLog(connection, log);
  done(undefined, connection);
}

/** Opens the log, which SQLite creates when it first reads. If that fails now, it is opened for the first sync. */
function holdLog(connection: Connection, log: LogSync): void {
  try {
    connection.pragma('schema_version');
    log.hold();
  } catch {
    return;
  }
}

async function syncFolderOf(file: string): Promise<void> {
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The part of a better-sqlite3 connection that compiles SQL. */
export interface PreparingConnection {
  prepare(sql: string): unknown;
}

const READS_OR_WRITES = /^\s*(?:select|insert|update|delete|with)\b/i;

/**
 * Makes a connection cache the `limit` last compiled statements: knex compiles each query again, which takes longer
 * than running it. SQLite itself recompiles a cached statement after a change of the schema.
 */
export function cacheStatements(connection: PreparingConnection, limit: number): void {
  const prepare = connection.prepare.bind(connection);
  const statements = new Map<string, unknown>();
  connection.prepare = (sql) => {
    if (!READS_OR_WRITES.test(sql)) return prepare(sql);
    const statement = statements.get(sql) ?? prepare(sql);
    statements.delete(sql);
    statements.set(sql, statement);
    for (const oldest of statements.keys()) {
      if (statements.size <= limit) break;
      statements.delete(oldest);
    }
    return statement;
  };
}
