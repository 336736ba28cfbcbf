import { ConfigError } from '../../lib/settings/config-error.ts';
import { sizeOf, spaceForUpgrade } from '../../storage/backup/snapshots.ts';
import type { Database } from '../../storage/catalog/database.ts';
import type { Migration } from '../../storage/catalog/migrate.ts';
import { isPostgres } from '../../storage/catalog/rows.ts';
import { openUnchangedDatabase } from '../open-storage.ts';
import { compareSteps, refuseLater } from '../upgrade/upgrade-database.ts';
import { parseOptions, STORAGE_OPTIONS } from './parse-options.ts';
import { printLine, tellLine } from './printable.ts';
import { byteCount, count } from './progress.ts';
import { FORMAT_OPTION, type Format, parseFormat, printOne, printRows } from './remote/table.ts';
import { loadStoredConfig } from './stored-config.ts';
import { expectFile } from './stored-registry.ts';

/** Rows that a step changes, and bytes that a copy writes, per second on a slow disk. */
const ROWS_A_SECOND = 20_000;
const BYTES_A_SECOND = 50_000_000;

/** A step that an upgrade runs. */
interface PlannedStep {
  readonly step: string;
  /** Whether it removes something that the previous version uses; otherwise it only adds. */
  readonly removes: boolean;
  /** Whether `berth downgrade` can undo it. */
  readonly undone: boolean;
  /** Number of rows that it reads or changes. */
  readonly rows: number;
}

interface UpgradePlan {
  readonly steps: readonly PlannedStep[];
  /** Free bytes that it needs; 0 for PostgreSQL, of which no copy is made. */
  readonly space: number;
  /** Maximum seconds on a slow disk. */
  readonly seconds: number;
}

/**
 * `berth upgrade --check`: reports what this version changes in the database of an earlier one, beside a running
 * registry, and changes nothing. Exit code 0 when there is nothing to change, 1 when there is.
 */
export async function upgrade(args: readonly string[]): Promise<number> {
  const {
    check,
    format: wanted,
    ...flags
  } = parseOptions(args, { check: { type: 'boolean' }, ...FORMAT_OPTION, ...STORAGE_OPTIONS });
  if (check !== true) {
    throw new ConfigError(
      'the start of a registry upgrades its database: give --check to see what changes, or run "berth catalog upgrade"',
    );
  }
  const format = parseFormat(wanted);
  const config = loadStoredConfig(flags);
  await expectFile(config);
  const database = await openUnchangedDatabase(config);
  try {
    const plan = await planUpgrade(database);
    printPlan(format, plan);
    return plan.steps.length === 0 ? 0 : 1;
  } finally {
    await database.destroy();
  }
}

/** Throws ConfigError for a database of a later version. */
async function planUpgrade(database: Database): Promise<UpgradePlan> {
  const compared = await compareSteps(database);
  refuseLater(compared);
  const steps: PlannedStep[] = [];
  for (const step of compared.flatMap(({ missing }) => missing)) {
    const { name, contracts = false, down } = step;
    steps.push({
      step: name,
      removes: contracts,
      undone: down !== undefined,
      rows: await rowsOf(database, step),
    });
  }
  if (steps.length === 0) return { steps, space: 0, seconds: 0 };
  const size = isPostgres(database) ? 0 : await sizeOf(database);
  const rows = steps.reduce((sum, step) => sum + step.rows, 0);
  return {
    steps,
    space: size === 0 ? 0 : spaceForUpgrade(size),
    seconds: Math.ceil(rows / ROWS_A_SECOND + size / BYTES_A_SECOND),
  };
}

async function rowsOf(database: Database, { touches = [] }: Migration): Promise<number> {
  let rows = 0;
  for (const table of touches) {
    // A table that an earlier missing step creates has no rows.
    if (!(await database.schema.hasTable(table))) continue;
    const found = await database(table).count({ rows: '*' }).first();
    rows += Number(found?.rows ?? 0);
  }
  return rows;
}

function printPlan(format: Format, plan: UpgradePlan): void {
  const { steps, space, seconds } = plan;
  if (format !== 'table') {
    printOne(format, plan, () => []);
    return;
  }
  if (steps.length === 0) {
    printLine('nothing to change: the database is up to date');
    return;
  }
  printRows('table', steps, [
    { head: 'STEP', cell: ({ step }) => step },
    { head: 'CHANGE', cell: ({ removes }) => (removes ? 'removes' : 'adds') },
    { head: 'WAY BACK', cell: ({ undone }) => (undone ? 'berth downgrade' : 'copy from before') },
    { head: 'ROWS', cell: ({ rows }) => String(rows) },
  ]);
  const room =
    space === 0 ? 'make a backup first' : `it needs ${byteCount(space)} on the disk of the data folder`;
  tellLine(`${count(steps.length, 'step')}, ${count(seconds, 'second')} at most on a slow disk; ${room}`);
}
