import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Knex } from 'knex';
import { openDatabase } from '../../storage/catalog/database.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const FILE = join(import.meta.dirname, '../../storage/catalog/schema.sql');

const HEAD = `-- The schema of the catalog in SQLite as it is after all migrations, to read. Made from them: it is never run.
`;

test('storage/catalog/schema.sql is what the migrations make (BERTH_WRITE_DOCS=1 writes it)', async (t) => {
  const knex = await openDatabase({ file: join(await makeTempDir(t, 'schema'), 'catalog.sqlite') });
  const catalog = await openCatalog(knex);
  const schema = HEAD + (await statementsOf(knex)).map((sql) => `\n${sql};\n`).join('');
  await catalog.close();
  if (process.env.BERTH_WRITE_DOCS === '1') writeFileSync(FILE, schema);
  assert.equal(readFileSync(FILE, 'utf8'), schema);
});

/** Tables in the order of their names, each followed by its indexes and triggers. */
async function statementsOf(knex: Knex): Promise<readonly string[]> {
  const rows: readonly { readonly sql: string }[] = await knex('sqlite_master')
    .whereNotNull('sql')
    .whereNot('name', 'like', 'sqlite_%')
    .orderByRaw("tbl_name, type <> 'table', name")
    .select('sql');
  return rows.map(({ sql }) => onLines(sql));
}

/** The list of a table's columns and keys with a line for each. */
function onLines(sql: string): string {
  if (!/^create table/i.test(sql)) return sql;
  const start = sql.indexOf('(') + 1;
  const end = sql.lastIndexOf(')');
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (const character of sql.slice(start, end)) {
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    if (character === ',' && depth === 0) {
      parts.push(part.trim());
      part = '';
    } else part += character;
  }
  const list = [...parts, part.trim()].map((line) => `  ${line}`).join(',\n');
  return `${sql.slice(0, start)}\n${list}\n${sql.slice(end)}`;
}
