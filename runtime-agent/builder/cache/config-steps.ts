import type { Knex } from 'knex';
import { inTransaction } from '../../../storage/catalog/transaction.ts';

/** Maximum remembered steps; the least recently used are forgotten. */
const MOST = 10_000;
/** Milliseconds until uses are written. */
const NOTED_AFTER = 1000;
/** Rows of one statement. */
const AT_ONCE = 200;

/**
 * The keys of executed steps that change only the configuration. Repeating them needs no data; builds report them as
 * cached, as dockerd's classic builder does.
 */
export class ConfigSteps {
  readonly #knex: Knex;
  readonly #most: number;
  /** Entries that wait to be written. */
  readonly #used = new Set<string>();
  #noting: NodeJS.Timeout | undefined;

  /** The table must exist. */
  constructor(knex: Knex, most = MOST) {
    this.#knex = knex;
    this.#most = most;
  }

  async has(key: string): Promise<boolean> {
    if (this.#used.has(key)) return true;
    return (await this.#knex('build_config_steps').where({ key }).first('key')) !== undefined;
  }

  /** Records that a build has executed these steps. Written a little later; a power cut may undo it. */
  note(keys: Iterable<string>): void {
    for (const key of keys) this.#used.add(key);
    if (this.#used.size === 0) return;
    this.#noting ??= setTimeout(() => {
      // A forgotten step only runs again.
      this.flush().catch(() => undefined);
    }, NOTED_AFTER).unref();
  }

  /** Writes the waiting entries. */
  async flush(): Promise<void> {
    clearTimeout(this.#noting);
    this.#noting = undefined;
    const keys = [...this.#used];
    const now = Date.now();
    await inTransaction(
      this.#knex,
      async (trx) => {
        for (let at = 0; at < keys.length; at += AT_ONCE) {
          const rows = keys.slice(at, at + AT_ONCE).map((key) => ({ key, last_used_at: now }));
          await trx('build_config_steps').insert(rows).onConflict('key').merge();
        }
        const kept = trx('build_config_steps')
          .select('key')
          .orderBy('last_used_at', 'desc')
          .limit(this.#most);
        await trx('build_config_steps').whereNotIn('key', kept).delete();
      },
      { durable: false },
    );
    for (const key of keys) this.#used.delete(key);
  }

  /** Forgets all steps. */
  async clear(): Promise<void> {
    this.#used.clear();
    await inTransaction(this.#knex, (trx) => trx('build_config_steps').delete(), { durable: false });
  }
}
