import { resolve } from 'node:path';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { CopyRefusedError, copyTables } from '../../storage/catalog/copy-tables.ts';
import { parseDatabase } from '../config/addresses.ts';
import { takeFolder } from '../on-folder.ts';
import { openCatalogDatabase, type StorageConfig } from '../open-storage.ts';
import { makeTables } from './catalog-copies.ts';
import { interruption } from './interruption.ts';
import { parseOptions } from './parse-options.ts';
import { printLine, tellLine } from './printable.ts';
import { Progress } from './progress.ts';
import { openStoredDatabase } from './stored-registry.ts';

/**
 * `berth catalog migrate`: copies catalog and accounts from a data folder into a PostgreSQL database, or back, while
 * no registry runs on either; the content stays where it is. Exit code 1 when it was interrupted: then nothing was
 * copied.
 */
export async function migrate(args: readonly string[]): Promise<number> {
  const options = parseOptions(args, { from: { type: 'string' }, to: { type: 'string' } });
  const from = placeOf('from', options.from);
  const to = placeOf('to', options.to);
  if ((from.database === undefined) === (to.database === undefined)) {
    throw new ConfigError(
      'one of --from and --to must be a data folder, and the other a database postgres://…',
    );
  }
  await using opened = new AsyncDisposableStack();
  const source = await openStoredDatabase(from);
  opened.defer(() => source.destroy());
  const lock = takeFolder(from.database === undefined ? from.data : to.data);
  opened.defer(() => lock.release());
  const target = await openCatalogDatabase(to);
  opened.defer(() => target.destroy());
  const signal = interruption();
  const progress = new Progress();
  try {
    for (const database of [source, target]) await makeTables(database);
    const copied = await copyTables({
      from: source,
      to: target,
      signal,
      onProgress: (table, rows) => progress.show(`${table}: ${rows} rows`),
    });
    progress.clear();
    for (const [table, rows] of copied) if (rows > 0) printLine(`${table}: ${rows} rows`);
    printLine('everything was copied; the content was not moved, and the source is unchanged');
    return 0;
  } catch (error) {
    progress.clear();
    if (error instanceof CopyRefusedError) throw new ConfigError(error.message, { cause: error });
    if (!signal.aborted) throw error;
    tellLine('berth: interrupted: nothing was copied');
    return 1;
  }
}

function placeOf(option: 'from' | 'to', text: string | undefined): StorageConfig {
  if (text === undefined || text === '') {
    throw new ConfigError(`--${option} was not given: a data folder, or a database postgres://…`);
  }
  return /^postgres(?:ql)?:/.test(text)
    ? { data: '', database: parseDatabase(text) }
    : { data: resolve(text) };
}
