import { join } from 'node:path';
import type { Knex } from 'knex';
import { openDatabase } from '../storage/catalog/database.ts';
import { migrate } from '../storage/catalog/migrate.ts';
import { imageMigrations } from './images/migrations.ts';

/**
 * Opens the agent's state, `<dataDirectory>/berth-agent.sqlite`, with the tables of images up to date. Other parts
 * bring their own tables by `migrate` under a table name of their own. Close it with `destroy()`.
 */
export async function openAgentDatabase(dataDirectory: string): Promise<Knex> {
  const knex = await openDatabase({ file: join(dataDirectory, 'berth-agent.sqlite') });
  try {
    await migrate(knex, 'image_migrations', imageMigrations);
  } catch (error) {
    await knex.destroy();
    throw error;
  }
  return knex;
}
