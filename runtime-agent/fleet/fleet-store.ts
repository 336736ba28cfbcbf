import type { Knex } from 'knex';
import type { AttemptId, AttemptOutcome } from '../../fleet/host-plan/host-app.ts';
import type { ServiceSpec } from '../../fleet/service.ts';
import type { AppTarget, HostTarget, SealedSecret } from '../../fleet/target.ts';
import { type Migration, migrate } from '../../storage/catalog/migrate.ts';
import { inTransaction } from '../../storage/catalog/transaction.ts';

/** Facts about a container that the container itself does not show. */
export interface ContainerFlags {
  readonly tried: boolean;
  readonly passed: boolean;
  readonly routed: boolean;
  readonly draining: boolean;
  readonly stopped: boolean;
  readonly discarded: boolean;
}

/** The progress of an app on this host, journalled before each step. */
export interface AppProgress {
  /** The attempt of this record; undefined before the first. `print` distinguishes changes within one attempt. */
  readonly of?: AttemptId & { readonly print: string };
  readonly outcome: AttemptOutcome;
  /** Milliseconds that the attempt has taken so far. */
  readonly elapsed: number;
  /** Why it failed. */
  readonly reason?: string;
  /** Exit codes of the jobs of the release that have ended. */
  readonly jobs: Readonly<Record<string, number>>;
  /** By container ID. */
  readonly containers: Readonly<Record<string, ContainerFlags>>;
  /** The steps that were running. */
  readonly steps: readonly string[];
}

export const NEW_PROGRESS: AppProgress = {
  outcome: 'working',
  elapsed: 0,
  jobs: {},
  containers: {},
  steps: [],
};

/** An app on this host; one without a target is to be removed. */
export interface StoredApp {
  readonly app: string;
  readonly target?: AppTarget;
  readonly progress: AppProgress;
}

/**
 * The specification of an instance, by the key in its container's label: needed for its routes and to restore its
 * files.
 */
export interface StoredInstance {
  readonly key: string;
  readonly app: string;
  readonly spec: ServiceSpec;
  readonly claims: readonly string[];
  readonly job: boolean;
  readonly configs: readonly { readonly name: string; readonly content: string }[];
  readonly secrets: readonly SealedSecret[];
}

/** The fleet's state on this host. Each change is durable when its promise resolves. */
export class FleetStore {
  readonly #knex: Knex;

  private constructor(knex: Knex) {
    this.#knex = knex;
  }

  static async open(knex: Knex): Promise<FleetStore> {
    await migrate(knex, 'fleet_migrations', FLEET_MIGRATIONS);
    return new FleetStore(knex);
  }

  /** The host's ID at its registry and the generation of the stored target; undefined before the first target. */
  async state(): Promise<{ readonly host: string; readonly generation: number } | undefined> {
    return this.#knex('fleet_state').where({ id: 1 }).first('host', 'generation');
  }

  async apps(): Promise<readonly StoredApp[]> {
    const rows: AppRow[] = await this.#knex('fleet_apps').select().orderBy('app');
    return rows.map(({ app, target, progress }) => ({
      app,
      ...(target !== null && { target: JSON.parse(target) as AppTarget }),
      progress: JSON.parse(progress) as AppProgress,
    }));
  }

  /**
   * Replaces the whole target. Apps that it lacks have no target from then on. Their progress stays until
   * `saveProgress`.
   */
  async setTarget(host: string, { generation, apps }: HostTarget): Promise<void> {
    await inTransaction(this.#knex, async (trx) => {
      const names = apps.map(({ app }) => app);
      await trx('fleet_apps').whereNotIn('app', names).update({ target: null });
      await putTargets(trx, apps);
      await trx('fleet_state').insert({ id: 1, host, generation }).onConflict('id').merge();
    });
  }

  /** Changes the target of some apps. */
  async changeTarget(
    generation: number,
    set: readonly AppTarget[],
    remove: readonly string[],
  ): Promise<void> {
    await inTransaction(this.#knex, async (trx) => {
      await trx('fleet_apps').whereIn('app', remove).update({ target: null });
      await putTargets(trx, set);
      await trx('fleet_state').where({ id: 1 }).update({ generation });
    });
  }

  async saveProgress(app: string, progress: AppProgress): Promise<void> {
    await inTransaction(this.#knex, (trx) =>
      trx('fleet_apps')
        .where({ app })
        .update({ progress: JSON.stringify(progress) }),
    );
  }

  /** Deletes the record of an app that is completely removed, unless it has a target again. */
  async forget(app: string): Promise<boolean> {
    return inTransaction(
      this.#knex,
      async (trx) => (await trx('fleet_apps').where({ app, target: null }).delete()) > 0,
    );
  }

  async instances(): Promise<readonly StoredInstance[]> {
    const rows: { content: string }[] = await this.#knex('fleet_instances').select('content');
    return rows.map(({ content }) => JSON.parse(content) as StoredInstance);
  }

  async addInstance(instance: StoredInstance): Promise<void> {
    const { key, app } = instance;
    await inTransaction(this.#knex, (trx) =>
      trx('fleet_instances').insert({ key, app, content: JSON.stringify(instance) }),
    );
  }

  async removeInstances(keys: readonly string[]): Promise<void> {
    await inTransaction(this.#knex, (trx) => trx('fleet_instances').whereIn('key', keys).delete());
  }

  /** References of images that the fleet has pulled. */
  async images(): Promise<readonly string[]> {
    return this.#knex('fleet_images').pluck('reference');
  }

  async addImage(reference: string): Promise<void> {
    await inTransaction(this.#knex, (trx) =>
      trx('fleet_images').insert({ reference }).onConflict('reference').ignore(),
    );
  }

  async removeImage(reference: string): Promise<void> {
    await inTransaction(this.#knex, (trx) => trx('fleet_images').where({ reference }).delete());
  }

  /** Stores the boot in which the fleet last ran; returns the previous one. */
  async exchangeBoot(bootId: string): Promise<string | undefined> {
    return inTransaction(this.#knex, async (trx) => {
      const before: { boot: string } | undefined = await trx('fleet_boots').where({ id: 1 }).first('boot');
      await trx('fleet_boots').insert({ id: 1, boot: bootId }).onConflict('id').merge();
      return before?.boot;
    });
  }
}

interface AppRow {
  readonly app: string;
  readonly target: string | null;
  readonly progress: string;
}

async function putTargets(trx: Knex.Transaction, apps: readonly AppTarget[]): Promise<void> {
  for (const target of apps) {
    const { app } = target;
    const row = { app, target: JSON.stringify(target), progress: JSON.stringify(NEW_PROGRESS) };
    await trx('fleet_apps').insert(row).onConflict('app').merge(['target']);
  }
}

const FLEET_MIGRATIONS: readonly Migration[] = [
  {
    name: '0001-fleet',
    async up(knex) {
      await knex.schema.createTable('fleet_state', (table) => {
        table.integer('id').primary();
        table.string('host', 64).notNullable();
        table.bigInteger('generation').notNullable();
      });
      await knex.schema.createTable('fleet_boots', (table) => {
        table.integer('id').primary();
        table.string('boot', 64).notNullable();
      });
      await knex.schema.createTable('fleet_apps', (table) => {
        table.string('app', 255).primary();
        // Null: to be removed from this host.
        table.text('target');
        table.text('progress').notNullable();
      });
      await knex.schema.createTable('fleet_instances', (table) => {
        table.string('key', 32).primary();
        table.string('app', 255).notNullable();
        table.text('content').notNullable();
      });
      await knex.schema.createTable('fleet_images', (table) => {
        table.text('reference').primary();
      });
    },
  },
];
