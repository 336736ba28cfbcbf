import { rm } from 'node:fs/promises';
import type { Knex } from 'knex';
import { openDatabase } from './database.ts';

/** A copy of a database as of one moment, for experiments. */
export interface DatabaseCopy extends AsyncDisposable {
  readonly knex: Knex;
}

/** Opens the copy that `write` makes as a new SQLite file, which is removed at the end. */
export async function openCopy(file: string, write: (file: string) => Promise<void>): Promise<DatabaseCopy> {
  const remove = async () => {
    for (const suffix of ['', '-wal', '-shm']) await rm(`${file}${suffix}`, { force: true });
  };
  try {
    await write(file);
    const copy = await openDatabase({ file });
    return {
      knex: copy,
      [Symbol.asyncDispose]: async () => {
        await copy.destroy();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
