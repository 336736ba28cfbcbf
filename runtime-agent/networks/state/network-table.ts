import type { Knex } from 'knex';
import { inStatement } from '../../../storage/catalog/transaction.ts';
import type { Network } from '../network.ts';

const TABLE = 'networks';

interface Row {
  readonly id: string;
  readonly name: string;
  readonly created_at: string;
  readonly settings: string;
}

/** The networks in the database, in order of creation. */
export class NetworkTable {
  readonly #knex: Knex;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  async list(): Promise<readonly Network[]> {
    const rows: Row[] = await this.#knex(TABLE).select().orderBy('created_at');
    return rows.map(({ id, name, created_at, settings }) => ({
      ...(JSON.parse(settings) as Omit<Network, 'id' | 'name' | 'createdAt'>),
      id,
      name,
      createdAt: created_at,
    }));
  }

  /** Stores a new network, or the changes of an existing one. */
  async put(network: Network): Promise<void> {
    const { id, name, createdAt, ...settings } = network;
    const row: Row = { id, name, created_at: createdAt, settings: JSON.stringify(settings) };
    await inStatement(this.#knex, () => this.#knex(TABLE).insert(row).onConflict('id').merge());
  }

  async delete(id: string): Promise<void> {
    await inStatement(this.#knex, () => this.#knex(TABLE).where({ id }).delete());
  }
}
