import { rm } from 'node:fs/promises';
import type { Knex } from 'knex';
import { openDatabase } from './database.ts';

/** A copy of an SQLite database as it is at one moment, to try things out on. */
export interface DatabaseCopy extends AsyncDisposable {
  readonly knex: Knex;
}

/** Copies a database into a new file, which is removed in the end. Others may read and write meanwhile. */
export async function copyDatabase(knex: Knex, file: string): Promise<DatabaseCopy> {
  const remove = async () => {
    for (const suffix of ['', '-wal', '-shm']) await rm(`${file}${suffix}`, { force: true });
  };
  await knex.raw('vacuum into ?', [file]);
  try {
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
