import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { Knex } from 'knex';
import type { Semaphore } from '../../lib/sync/semaphore.ts';
import { DatabaseUnavailableError, StorageFullError } from '../errors.ts';
import type { LogSync } from './log-sync.ts';
import { withRecord } from './recorded-change.ts';
import { isPostgres } from './rows.ts';

/** Milliseconds after which a transaction that conflicts with others fails. */
const PATIENCE = 10_000;
const LONGEST_PAUSE = 200;
/** Number of attempts, or milliseconds, after which conflicting transactions are blocked. */
const OFTEN = 4;
const LONG = PATIENCE / 4;

/**
 * Maximum milliseconds of a transaction, so that a time that it has read (enforceClaim) is recent at its commit. In
 * SQLite it blocks other writers meanwhile; PostgreSQL ends an idle session.
 */
const LONGEST_WORK = 5 * 60 * 1000;

const FULL = 'the device of the database has no space left: free some and try again';

export interface TransactionOptions {
  /**
   * False if a power cut may undo it, provided that it also undoes everything later; the call does not wait for the
   * device then. The end of the process, however it ends, undoes nothing.
   */
  readonly durable?: boolean;
  /** Called at the start of each attempt after many conflicts, to block the transactions that cause them. */
  readonly clearWay?: (trx: Knex.Transaction) => Promise<void>;
}

/**
 * Runs `work` in one serialisable transaction, and commits it: others see it at once, and when the promise resolves it
 * survives a power cut. After a conflict with another process (a lock, a stale snapshot, a deadlock) it is repeated
 * from the start, so `work` must have no effect outside the database. Throws StorageFullError,
 * DatabaseUnavailableError, and errors of `work`.
 */
export async function inTransaction<T>(
  knex: Knex,
  work: (trx: Knex.Transaction) => Promise<T>,
  { durable = true, clearWay }: TransactionOptions = {},
): Promise<T> {
  const group = groupOf(knex);
  const run = (each: (trx: Knex.Transaction) => Promise<T>) =>
    group === undefined
      ? untilItPasses(knex, (hasGivenWay) =>
          knex.transaction(async (trx) => {
            if (hasGivenWay) await clearWay?.(trx);
            return inTime(trx, each);
          }, isolationOf(knex)),
        )
      : group.run(each);
  // A change that a power cut may undo was never requested by a client.
  const result = durable ? await withRecord(work, run) : await run(work);
  if (durable) await logOf(knex)?.sync();
  return result;
}

async function inTime<T>(trx: Knex.Transaction, work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await work(trx);
  if (performance.now() - began <= LONGEST_WORK) return result;
  throw new DatabaseUnavailableError('a transaction has taken too long');
}

/** Runs `work` in a transaction on SQLite's connection, as inTransaction does, without making it durable. */
export function onConnection<T>(knex: Knex, work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
  return untilItPasses(knex, () => withoutSync(knex, (connection) => knex.transaction(work, { connection })));
}

/** Like inTransaction, for a single statement, which `statement` builds for each attempt. It costs half as much. */
export async function inStatement<Outcome>(
  knex: Knex,
  statement: () => PromiseLike<Outcome> & Connectable<Outcome>,
  { durable = true }: TransactionOptions = {},
): Promise<Outcome> {
  const outcome = await untilItPasses(knex, async () => {
    if (logOf(knex) === undefined) return statement();
    return withoutSync(knex, async (connection) => statement().connection(connection));
  });
  if (durable) await logOf(knex)?.sync();
  return outcome;
}

/** A statement of knex for which a connection can be chosen. */
interface Connectable<Outcome> {
  connection(connection: unknown): PromiseLike<Outcome>;
}

/** Returns SQLite's group of transactions, for its one connection. */
function groupOf(knex: Knex): TransactionGroup<Knex.Transaction> | undefined {
  return knex.client.config.transactionGroup;
}

/** Returns SQLite's log, which is synced separately from the transactions. */
function logOf(knex: Knex): LogSync | undefined {
  return knex.client.config.logSync;
}

/** Present for SQLite with a disk reserve. */
function makeRoomOf(knex: Knex): (() => Promise<boolean>) | undefined {
  return knex.client.config.makeRoom;
}

/** For PostgreSQL: retries run one at a time, since transactions on the same rows would keep failing each other. */
function retriesOf(knex: Knex): Semaphore | undefined {
  return knex.client.config.retries;
}

/** The part of a better-sqlite3 connection that this file uses. */
interface Connection {
  pragma(source: string): unknown;
}

/** Lends SQLite's connection for work whose commits do not wait for the device. */
async function withoutSync<T>(knex: Knex, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection: Connection = await knex.client.acquireConnection();
  try {
    connection.pragma('synchronous = NORMAL');
    return await work(connection);
  } finally {
    connection.pragma('synchronous = FULL');
    await knex.client.releaseConnection(connection);
  }
}

/** Repeats `run` after conflicts; it receives whether they have lasted long. */
async function untilItPasses<T>(knex: Knex, run: (hasGivenWay: boolean) => Promise<T>): Promise<T> {
  const began = performance.now();
  const giveUpAt = began + PATIENCE;
  let release: (() => void) | undefined;
  let hasMadeRoom = false;
  try {
    for (let pause = 2, tries = 0; ; pause = Math.min(pause * 2, LONGEST_PAUSE), tries += 1) {
      try {
        return await run(tries >= OFTEN || performance.now() - began > LONG);
      } catch (cause) {
        if (isFailedSync(cause)) logOf(knex)?.fail(cause);
        if (isFull(cause)) {
          if (hasMadeRoom || !(await makeRoomOf(knex)?.())) throw new StorageFullError(FULL, { cause });
          hasMadeRoom = true;
          continue;
        }
        if (!isPassing(cause)) throw cause;
        if (performance.now() > giveUpAt) throw givenUp(cause);
        if (!(cause instanceof DatabaseUnavailableError))
          release ??= await retriesOf(knex)?.take(new AbortController().signal);
      }
      await sleep(Math.random() * pause);
    }
  } finally {
    release?.();
  }
}

/** Returns the error for a transaction that has conflicted for all of PATIENCE; it has changed nothing. */
function givenUp(cause: unknown): DatabaseUnavailableError {
  if (cause instanceof DatabaseUnavailableError) return cause;
  return new DatabaseUnavailableError('the database is too busy: try again soon', { cause });
}

/** Returns the isolation level; SQLite's transactions are always serialisable. */
function isolationOf(knex: Knex): Knex.TransactionConfig {
  return isPostgres(knex) ? { isolationLevel: 'serializable' } : {};
}

/** Reports a full device: SQLite's error, and PostgreSQL's class 53 (insufficient resources), code disk_full. */
function isFull(error: unknown): boolean {
  return codeOf(error) === 'SQLITE_FULL' || codeOf(error) === '53100';
}

/** Reports a failed sync by SQLite itself, of a checkpoint or a new file. */
function isFailedSync(error: unknown): boolean {
  return /^SQLITE_IOERR_(?:DIR_)?FSYNC$/.test(codeOf(error));
}

/** Reports whether the same transaction may succeed when it is repeated. */
function isPassing(error: unknown): boolean {
  if (error instanceof DatabaseUnavailableError) return !error.inDoubt;
  const code = codeOf(error);
  return code.startsWith('SQLITE_BUSY') || code === '40001' || code === '40P01';
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** Maximum pieces of work that share one transaction: each waits for all of them. */
const MOST_SHARED = 16;

interface Entry<Trx> {
  readonly work: (trx: Trx) => Promise<unknown>;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Groups works that would wait for each other anyway, because there is only one connection, into one transaction. They
 * run one after another, so each sees the changes of those before it, as in separate transactions. When one throws, the
 * transaction is rolled back, and each is repeated separately.
 */
export class TransactionGroup<Trx> {
  readonly #transact: <T>(work: (trx: Trx) => Promise<T>) => Promise<T>;
  #waiting: Entry<Trx>[] = [];
  #running = false;

  /** `transact` runs work in a transaction, and repeats it when the database requires that. */
  constructor(transact: <T>(work: (trx: Trx) => Promise<T>) => Promise<T>) {
    this.#transact = transact;
  }

  /** Resolves when `work`, which has no effect outside the database, has been committed. Throws its error. */
  run<T>(work: (trx: Trx) => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.push({ work, resolve: resolve as (result: unknown) => void, reject });
    if (!this.#running) void this.#runAll();
    return promise;
  }

  async #runAll(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) {
      // By then all requests of this turn of the event loop have arrived.
      await turn();
      const group = this.#waiting.splice(0, MOST_SHARED);
      if (!(await this.#runShared(group))) for (const entry of group) await this.#runAlone(entry);
    }
    this.#running = false;
  }

  /** Returns false, with nothing changed, when one of several failed. */
  async #runShared(group: readonly Entry<Trx>[]): Promise<boolean> {
    const [first] = group;
    if (first === undefined || group.length === 1) return false;
    try {
      const results = await this.#transact(async (trx) => {
        const done: unknown[] = [];
        for (const { work } of group) done.push(await work(trx));
        return done;
      });
      for (const [index, { resolve }] of group.entries()) resolve(results[index]);
      return true;
    } catch {
      return false;
    }
  }

  async #runAlone({ work, resolve, reject }: Entry<Trx>): Promise<void> {
    try {
      resolve(await this.#transact(work));
    } catch (error) {
      reject(error);
    }
  }
}
