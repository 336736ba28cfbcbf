import type { Knex } from 'knex';
import type { Digest } from '../../../oci/digest.ts';
import { type Migration, migrate } from '../../../storage/catalog/migrate.ts';
import { inTransaction } from '../../../storage/catalog/transaction.ts';
import { ConfigSteps } from './config-steps.ts';

/** A step that was executed. */
export interface CachedStep {
  readonly key: string;
  /** Undefined if it changed no file. */
  readonly diffId: Digest | undefined;
  /** The instruction. */
  readonly description: string;
  /** Bytes that the layer takes on disk. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly uses: number;
}

/** Maximum steps in memory. */
const KNOWN = 5000;
/** Milliseconds until uses are written. */
const NOTED_AFTER = 1000;

/** The steps that this host has built, in SQLite; the layer store has their layers. */
export class StepCache {
  /** Steps that changed only the configuration. */
  readonly config: ConfigSteps;
  readonly #knex: Knex;
  /** Steps that were looked up, by key; only this object changes the table. */
  readonly #known = new Map<string, CachedStep>();
  /** Uses that are not recorded yet, and their number. */
  readonly #used = new Map<string, number>();
  #noting: NodeJS.Timeout | undefined;

  private constructor(knex: Knex) {
    this.#knex = knex;
    this.config = new ConfigSteps(knex);
  }

  /** Brings the table to its schema. */
  static async open(knex: Knex): Promise<StepCache> {
    await migrate(knex, BUILD_MIGRATIONS_TABLE, BUILD_MIGRATIONS);
    return new StepCache(knex);
  }

  /** Finds the step with this key; see `touch`. */
  async find(key: string): Promise<CachedStep | undefined> {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const row = await this.#knex<StepRow>('build_steps').where({ key }).first();
    if (row === undefined) return undefined;
    const step = stepOf(row);
    if (this.#known.size >= KNOWN) this.#known.clear();
    this.#known.set(key, step);
    return step;
  }

  /** Records that a build has just used the steps with these keys. Written a little later; a power cut may undo it. */
  touch(keys: readonly string[]): void {
    for (const key of keys) this.#used.set(key, (this.#used.get(key) ?? 0) + 1);
    this.#noting ??= setTimeout(() => {
      // Needed only for the order of prunes.
      this.#noteUses().catch(() => undefined);
    }, NOTED_AFTER).unref();
  }

  /** Records a step under its keys, replacing earlier ones. */
  async put(
    [key, ...aliases]: readonly [string, ...string[]],
    step: Pick<CachedStep, 'diffId' | 'description' | 'size' | 'createdAt'>,
  ): Promise<void> {
    const row: StepRow = {
      key,
      alias_of: null,
      diff_id: step.diffId ?? null,
      description: step.description.slice(0, 1000),
      size: step.size,
      created_at: step.createdAt,
      last_used_at: Date.now(),
      uses: 1,
    };
    const rows = [row, ...aliases.map((alias) => ({ ...row, key: alias, alias_of: key }))];
    // A step that is lost in a power cut is built again.
    await inTransaction(this.#knex, (trx) => trx('build_steps').insert(rows).onConflict('key').merge(), {
      durable: false,
    });
    for (const written of rows) this.#known.delete(written.key);
  }

  /** Lists all steps, most recently used first. */
  async list(): Promise<readonly CachedStep[]> {
    await this.#noteUses();
    const rows = await this.#knex<StepRow>('build_steps')
      .select()
      .whereNull('alias_of')
      .orderBy('last_used_at', 'desc')
      .orderBy('key');
    return rows.map(stepOf);
  }

  /** Returns the layers of all steps, which a sweep must keep. */
  async layers(): Promise<readonly Digest[]> {
    const rows = await this.#knex<StepRow>('build_steps').distinct('diff_id').whereNotNull('diff_id');
    return rows.map(({ diff_id }) => diff_id as Digest);
  }

  /** Forgets steps; the next sweep deletes their layers, unless an image has them. */
  async remove(keys: readonly string[]): Promise<void> {
    this.#known.clear();
    await inTransaction(this.#knex, async (trx) => {
      for (const key of keys) await trx('build_steps').where({ key }).orWhere({ alias_of: key }).delete();
    });
    this.#known.clear();
  }

  async #noteUses(): Promise<void> {
    clearTimeout(this.#noting);
    this.#noting = undefined;
    if (this.#used.size === 0) return;
    const uses = new Map<number, string[]>();
    for (const [key, count] of this.#used) uses.set(count, [...(uses.get(count) ?? []), key]);
    this.#used.clear();
    const now = Date.now();
    await inTransaction(
      this.#knex,
      async (trx) => {
        for (const [count, keys] of uses) {
          const aliased = trx('build_steps').select('alias_of').whereIn('key', keys).whereNotNull('alias_of');
          await trx('build_steps')
            .whereIn('key', keys)
            .orWhereIn('key', aliased)
            .update({ last_used_at: now })
            .increment('uses', count);
        }
      },
      { durable: false },
    );
  }
}

interface StepRow {
  readonly key: string;
  readonly alias_of: string | null;
  readonly diff_id: Digest | null;
  readonly description: string;
  readonly size: number;
  readonly created_at: number;
  readonly last_used_at: number;
  readonly uses: number;
}

function stepOf(row: StepRow): CachedStep {
  return {
    key: row.key,
    diffId: row.diff_id ?? undefined,
    description: row.description,
    size: Number(row.size),
    createdAt: Number(row.created_at),
    lastUsedAt: Number(row.last_used_at),
    uses: row.uses,
  };
}

/** The steps of earlier builds. Times are milliseconds since 1970, sizes bytes. */
export const BUILD_MIGRATIONS: readonly Migration[] = [
  {
    name: '0001-build-steps',
    async up(knex) {
      await knex.schema.createTable('build_steps', (table) => {
        table.string('key', 64).primary();
        /** Null if the step changed no file. */
        table.string('diff_id', 135);
        /** The key of the same step that holds its size: both are removed together. */
        table.string('alias_of', 64);
        table.string('description', 1000).notNullable();
        table.bigInteger('size').notNullable();
        table.bigInteger('created_at').notNullable();
        table.bigInteger('last_used_at').notNullable();
        table.integer('uses').notNullable();
        table.index(['diff_id']);
      });
    },
  },
  {
    name: '0002-build-config-steps',
    async up(knex) {
      await knex.schema.createTable('build_config_steps', (table) => {
        table.string('key', 64).primary();
        table.bigInteger('last_used_at').notNullable();
        table.index(['last_used_at']);
      });
    },
  },
];

export const BUILD_MIGRATIONS_TABLE = 'build_migrations';
