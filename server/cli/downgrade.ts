import { ConfigError } from '../../lib/settings/config-error.ts';
import { listSnapshots } from '../../storage/backup/snapshots.ts';
import type { Database } from '../../storage/catalog/database.ts';
import { UndoRefusedError, undoSteps } from '../../storage/catalog/migrate.ts';
import { isPostgres } from '../../storage/catalog/rows.ts';
import { takeFolder } from '../on-folder.ts';
import { openUnchangedDatabase } from '../open-storage.ts';
import { DATABASE_STEPS, RELEASES } from '../upgrade/releases.ts';
import { compareSteps, refuseLater } from '../upgrade/upgrade-database.ts';
import { parseOptions, STORAGE_OPTIONS } from './parse-options.ts';
import { printLine } from './printable.ts';
import { loadStoredConfig } from './stored-config.ts';
import { expectFile } from './stored-registry.ts';

/**
 * `berth downgrade`: undoes the steps of the database after a release or a step, while no registry runs, so that an
 * earlier version starts. Exit code 2 when a step cannot be undone; then nothing has changed.
 */
export async function downgrade(args: readonly string[]): Promise<number> {
  const { to, ...flags } = parseOptions(args, {
    to: { type: 'string', multiple: true },
    ...STORAGE_OPTIONS,
  });
  const lists = stepsAfter(to ?? []);
  const config = loadStoredConfig(flags);
  await expectFile(config);
  const lock = takeFolder(config.data);
  const database = await openUnchangedDatabase(config);
  try {
    await refuseRunning(database);
    refuseLater(await compareSteps(database));
    const undone = await undoSteps(database, lists);
    for (const step of undone) printLine(`undone: ${step}`);
    printLine('the database is ready for the earlier version');
    return 0;
  } catch (cause) {
    if (!(cause instanceof UndoRefusedError)) throw cause;
    const [snapshot] = await listSnapshots(config.data);
    const way = snapshot === undefined ? 'restore a backup' : `restore ${snapshot.path}, or a backup`;
    throw new ConfigError(`${cause.message}: ${way}; nothing was changed`, { cause });
  } finally {
    await database.destroy();
    lock.release();
  }
}

/** Returns the lists with the number of their steps that stay. Throws ConfigError. */
function stepsAfter(to: readonly string[]) {
  if (to.length === 0) {
    throw new ConfigError(
      'the target of the downgrade is missing: give --to with a version or the last step that stays',
    );
  }
  const names = to.flatMap((name) => {
    const release = Object.hasOwn(RELEASES, name) ? RELEASES[name] : undefined;
    return release === undefined ? [name] : [release.catalog, release.accounts];
  });
  const known = DATABASE_STEPS.flatMap(({ steps }) => steps.map(({ name }) => name));
  const wrong = names.find((name) => !known.includes(name));
  if (wrong !== undefined) {
    const versions = Object.keys(RELEASES).join(', ');
    throw new ConfigError(
      `"${wrong}" is neither a version nor a step of the database: known versions are ${versions}`,
    );
  }
  return DATABASE_STEPS.map((list) => {
    const last = list.steps.findLastIndex(({ name }) => names.includes(name));
    return { ...list, keep: last < 0 ? list.steps.length : last + 1 };
  });
}

/** Throws ConfigError when other processes of Berth have connections to a PostgreSQL database. */
async function refuseRunning(database: Database): Promise<void> {
  if (!isPostgres(database)) return;
  const { rows } = await database.raw(
    `select count(*) as count from pg_stat_activity where datname = current_database() and application_name = 'berth'
      and backend_start < (select backend_start from pg_stat_activity where pid = pg_backend_pid())`,
  );
  if (Number(rows[0].count) > 0) {
    throw new ConfigError('a registry is connected to the database: stop it first; nothing was changed');
  }
}
