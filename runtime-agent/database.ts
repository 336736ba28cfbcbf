import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Knex } from 'knex';
import { openDatabase } from '../storage/catalog/database.ts';
import { migrate } from '../storage/catalog/migrate.ts';
import { imageMigrations } from './images/migrations.ts';

/** Spare bytes in file and log after a start with free space: enough to start, stop and remove containers. */
const SPARE = 2 << 20;
/** Pages of the write-ahead log after which it is restarted: half of its reserve. */
const CHECKPOINT = 256;

/**
 * Opens the agent's state, `<dataDirectory>/berth-agent.sqlite`, and migrates the tables of images. Other parts add
 * their own tables with `migrate` under a separate table name. It continues to work when the disk is full. The process
 * ends without closing it: SQLite would remove the log, for which the next start may have no room.
 */
export async function openAgentDatabase(dataDirectory: string): Promise<Knex> {
  const file = join(dataDirectory, 'berth-agent.sqlite');
  const knex = await openDatabase({ file, exclusive: true });
  try {
    await knex.raw(`pragma wal_autocheckpoint = ${CHECKPOINT}`);
    await holdRoom(knex, file);
    await migrate(knex, 'image_migrations', imageMigrations);
  } catch (error) {
    await knex.destroy();
    throw error;
  }
  return knex;
}

/** Reserves SPARE free bytes in file and log while the device has space. */
async function holdRoom(knex: Knex, file: string): Promise<void> {
  try {
    const [{ freelist_count: free }] = await knex.raw('pragma freelist_count');
    const [{ page_size: size }] = await knex.raw('pragma page_size');
    const { size: log } = await stat(`${file}-wal`);
    if (free * size < SPARE / 2 || log < SPARE) {
      await knex.raw('create table if not exists spare (bytes blob)');
      await knex.raw('insert into spare values (zeroblob(?))', [SPARE]);
      await knex.raw('drop table spare');
    }
    await knex.raw('pragma wal_checkpoint(restart)');
  } catch (error) {
    // A later start finds space again.
    if ((error as { code?: string }).code !== 'SQLITE_FULL') throw error;
  }
}
