import { setImmediate as turn } from 'node:timers/promises';
import type { CatalogVersion } from '../catalog-version.ts';
import { LastingClient } from './lasting-client.ts';
import { FOLD_CHANGES, NAME_CHANGES } from './name-changes.ts';

/** Minimum rows of the log of changes that are worth folding. */
const LONG_LOG = 100;

/** The snapshot's text changes whenever a transaction has ended in between. */
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
 * The version of a catalog in PostgreSQL, as of the last `refresh`. One query on a dedicated connection serves all
 * callers who arrive while the previous one runs.
 */
export class PostgresVersion implements CatalogVersion {
  readonly #client: LastingClient;
  #look: Look | undefined;
  #names = 0;
  #everything = 0;
  #running: Promise<void> = Promise.resolve();
  /** Begins when the running query has ended. */
  #next: Promise<void> | undefined;

  /** For openPostgresVersion. */
  constructor(url: string) {
    this.#client = new LastingClient(url);
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
    this.#client.close();
    await this.#running;
    await this.#client.end();
  }

  async #after(running: Promise<void>): Promise<void> {
    await running;
    // Serves all callers of the same turn of the event loop.
    await turn();
    this.#next = undefined;
    const look = await this.#ask().catch((error: unknown) => {
      // The changes meanwhile are unknown, so no cached value may be used.
      this.#everything += 1;
      this.#names = -this.#everything;
      this.#look = undefined;
      throw error;
    });
    this.#names = look.total;
    if (look.snapshot !== this.#look?.snapshot) this.#everything += 1;
    this.#look = look;
    if (look.logged > LONG_LOG) void this.#client.tell({ text: FOLD_CHANGES });
  }

  async #ask(): Promise<Look> {
    const [look] = await this.#client.query<Look>(LOOK);
    if (look === undefined) throw new Error('the count of name changes is missing in the database');
    return look;
  }
}

/** Opens the version of the catalog in the database of a URL, whose tables exist. */
export async function openPostgresVersion(url: string): Promise<PostgresVersion> {
  const version = new PostgresVersion(url);
  await version.refresh();
  return version;
}
