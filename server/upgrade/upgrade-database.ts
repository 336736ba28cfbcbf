import { ConfigError } from '../../lib/settings/config-error.ts';
import { takeSnapshot } from '../../storage/backup/snapshots.ts';
import type { Database } from '../../storage/catalog/database.ts';
import {
  appliedSteps,
  type Migration,
  type MigrationList,
  migrateAll,
} from '../../storage/catalog/migrate.ts';
import { isPostgres } from '../../storage/catalog/rows.ts';
import { StorageFullError } from '../../storage/errors.ts';
import { DATABASE_STEPS } from './releases.ts';

/** The present and missing steps of a list in a database. */
export interface StepsOfList {
  readonly list: MigrationList;
  readonly applied: readonly string[];
  readonly missing: readonly Migration[];
  /** Steps that this version does not know. */
  readonly unknown: readonly string[];
}

/** Compares the steps of a database with those of this version; lists that the database lacks are left out. */
export async function compareSteps(database: Database): Promise<readonly StepsOfList[]> {
  const found: StepsOfList[] = [];
  for (const list of DATABASE_STEPS) {
    const applied = await appliedSteps(database, list);
    if (applied.length === 0) continue;
    const known = list.steps.map(({ name }) => name);
    found.push({
      list,
      applied,
      missing: list.steps.filter(({ name }) => !applied.includes(name)),
      unknown: applied.filter((name) => !known.includes(name)),
    });
  }
  return found;
}

/** How to upgrade a database. */
export interface UpgradeTerms {
  readonly data: string;
  /** Runs before a change of an SQLite database, and lets no other process work in the data folder. */
  readonly lock: () => { release(): void };
  /** Receives sentences about the upgrade. */
  readonly report: (sentence: string) => void;
}

/**
 * Runs the missing steps on a database of an earlier version, all in one transaction, after copying an SQLite catalog.
 * A new database stays unchanged. Throws ConfigError, also for a database of a later version.
 */
export async function upgradeDatabase(
  database: Database,
  { data, lock, report }: UpgradeTerms,
): Promise<void> {
  const compared = await compareSteps(database);
  const names = compared.flatMap(({ missing }) => missing.map(({ name }) => name));
  refuseLater(compared);
  if (names.length === 0) return;
  const lists = compared.map(({ list }) => list);
  if (isPostgres(database)) {
    report(
      `upgrading the database by ${names.join(', ')}: Berth makes no copy of a PostgreSQL database, so the way back ` +
        'is "berth downgrade" or your own backup',
    );
    await migrateAll(database, lists);
  } else {
    const held = lock();
    try {
      const snapshot = await takeSnapshot(database, data, compared[0]?.applied.at(-1) ?? '');
      report(`upgrading the database by ${names.join(', ')}: the earlier state is copied to ${snapshot}`);
      await migrateAll(database, lists);
    } catch (cause) {
      if (!(cause instanceof StorageFullError)) throw cause;
      throw new ConfigError(cause.message, { cause });
    } finally {
      held.release();
    }
  }
  report('the database is upgraded');
}

/** Throws ConfigError for a database with steps that this version does not know. */
export function refuseLater(compared: readonly StepsOfList[]): void {
  const unknown = compared.flatMap((list) => list.unknown);
  if (unknown.length === 0) return;
  throw new ConfigError(
    `the database was written by a later version: it has the unknown steps ${unknown.join(', ')}; use that version, ` +
      'undo them by its "berth downgrade", or restore a backup',
  );
}
