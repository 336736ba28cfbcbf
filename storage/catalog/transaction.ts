import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';

const ATTEMPTS = 8;

/**
 * Runs `work` in one transaction and commits it. When the database gives way to another process (a lock, a
 * stale snapshot, a deadlock) it is run again from the start, so `work` must do nothing outside the database.
 */
export async function inTransaction<T>(knex: Knex, work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await knex.transaction(work);
    } catch (error) {
      if (attempt === ATTEMPTS || !isPassing(error)) throw error;
    }
    await sleep(Math.random() * 10 * 2 ** attempt);
  }
}

/** Whether the same transaction may well succeed when it is tried again. */
function isPassing(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code.startsWith('SQLITE_BUSY') || code === '40001' || code === '40P01';
}
