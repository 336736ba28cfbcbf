import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { Client } from 'pg';
import { DatabaseUnavailableError } from '../../errors.ts';
import type { CatalogVersion } from '../catalog-version.ts';
import { FOLD_CHANGES, NAME_CHANGES } from './name-changes.ts';
import { postgresConnection } from './open-postgres.ts';
import { PATIENCE } from './patient-client.ts';
import { troubleOf } from './postgres-errors.ts';

const PAUSE = 200;
/** Rows of the log of changes that are worth folding. */
const LONG_LOG = 100;

/** The snapshot has another text whenever a transaction has ended in between. */
const LOOK = {
  name: 'version',
  text: `select pg_current_snapshot()::text as snapshot, total, logged from (${NAME_CHANGES}) as changes`,
};

interface Look {
  readonly snapshot: string;
  readonly total: number;
  readonly logged: number;
}

/**
 * The version of a catalog in PostgreSQL, as of the last `refresh`. One query of a connection of its own serves
 * all who ask while the one before it runs.
 */
export class PostgresVersion implements CatalogVersion {
  readonly #url: string;
  #client: Client | undefined;
  #look: Look | undefined;
  #names = 0;
  #everything = 0;
  #closed = false;
  #running: Promise<void> = Promise.resolve();
  /** Begins when the running one has ended. */
  #next: Promise<void> | undefined;

  /** For openPostgresVersion. */
  constructor(url: string) {
    this.#url = url;
  }

  names(): number {
    return this.#names;
  }

  everything(): number {
    return this.#everything;
  }

  refresh(): Promise<void> {
    if (this.#next === undefined) {
      const begun = this.#after(this.#running);
      this.#next = begun;
      this.#running = begun.catch(() => {});
    }
    return this.#next;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    await this.#client?.end();
  }

  async #after(running: Promise<void>): Promise<void> {
    await running;
    // Whoever asks in the same turn of the event loop is served too.
    await turn();
    this.#next = undefined;
    const look = await this.#ask().catch((error: unknown) => {
      // Nobody knows what has changed: nothing that was kept may be used.
      this.#everything += 1;
      this.#names = -this.#everything;
      this.#look = undefined;
      throw error;
    });
    this.#names = look.total;
    if (look.snapshot !== this.#look?.snapshot) this.#everything += 1;
    this.#look = look;
    if (look.logged > LONG_LOG) this.#client?.query(FOLD_CHANGES).catch(() => {});
  }

  async #ask(): Promise<Look> {
    const giveUpAt = performance.now() + PATIENCE;
    for (;;) {
      try {
        this.#client ??= await connect(this.#url);
        const { rows } = await this.#client.query<Look>(LOOK);
        if (rows[0] !== undefined) return rows[0];
        throw new Error('the count of name changes is missing in the database');
      } catch (cause) {
        this.#client?.end().catch(() => {});
        this.#client = undefined;
        if (troubleOf(cause) === undefined) throw cause;
        if (this.#closed || performance.now() > giveUpAt) {
          throw new DatabaseUnavailableError('the database is unreachable', { cause });
        }
      }
      await sleep(PAUSE);
    }
  }
}

/** Opens the version of the catalog in the database of a URL, whose tables are there. */
export async function openPostgresVersion(url: string): Promise<PostgresVersion> {
  const version = new PostgresVersion(url);
  await version.refresh();
  return version;
}

async function connect(url: string): Promise<Client> {
  const client = new Client(postgresConnection(url));
  // The query that runs then fails too, or the next one.
  client.on('error', () => {});
  await client.connect();
  return client;
}
