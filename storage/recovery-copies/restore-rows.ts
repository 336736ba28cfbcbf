import type { Catalog } from '../catalog/catalog.ts';
import type { Database } from '../catalog/database.ts';
import { TAG_RULE_KINDS } from '../catalog/tag-rule-catalog.ts';
import { inTransaction } from '../catalog/transaction.ts';
import type { CopiedTable } from './copied-tables.ts';
import type { RowLine } from './read-rows.ts';

export interface RowsRestore {
  /** An SQLite database with all tables; those in `tables` are empty, and the repositories exist. */
  readonly database: Database;
  readonly catalog: Pick<Catalog, 'quotas' | 'tagRules'>;
  readonly lines: readonly RowLine[];
  /** Tables whose rows are restored unchanged. */
  readonly tables: readonly CopiedTable[];
  /** Called with a sentence about each row that cannot be restored. */
  readonly onProblem: (problem: string) => void;
}

/** Restores rows of a snapshot, except those that lack a secret. Returns the number of rows of each table. */
export async function restoreRows(run: RowsRestore): Promise<ReadonlyMap<string, number>> {
  const restored = new Map<string, number>();
  const done = (table: string) => restored.set(table, (restored.get(table) ?? 0) + 1);
  await inTransaction(run.database, async (trx) => {
    for (const { table, row } of run.lines) {
      const columns = run.tables.find(({ name }) => name === table)?.columns;
      if (columns === undefined) continue;
      const known = Object.entries(row).filter(([column]) => columns.includes(column));
      try {
        await trx(table).insert(Object.fromEntries(known));
        done(table);
      } catch (error) {
        run.onProblem(`a row of ${table} cannot be restored: ${(error as Error).message}`);
      }
    }
  });
  for (const { table, row } of run.lines) {
    const pattern = String(row.pattern);
    if (table === 'tag_rules') {
      const kind = TAG_RULE_KINDS.find((known) => known === row.kind);
      if (kind === undefined) continue;
      await run.catalog.tagRules.put({ pattern, tags: String(row.tags), kind });
      done(table);
    }
    if (table === 'quotas') {
      await run.catalog.quotas.put({ pattern, bytes: Number(row.bytes) });
      done(table);
    }
  }
  return restored;
}
