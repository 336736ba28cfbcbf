/** The part of a better-sqlite3 connection that compiles SQL. */
export interface PreparingConnection {
  prepare(sql: string): unknown;
}

const READS_OR_WRITES = /^\s*(?:select|insert|update|delete|with)\b/i;

/**
 * Makes a connection keep the `limit` statements that it compiled last: knex compiles each query anew, which
 * takes longer than running it. SQLite itself compiles a kept statement again when the schema has changed.
 */
export function cacheStatements(connection: PreparingConnection, limit: number): void {
  const prepare = connection.prepare.bind(connection);
  const statements = new Map<string, unknown>();
  connection.prepare = (sql) => {
    if (!READS_OR_WRITES.test(sql)) return prepare(sql);
    const statement = statements.get(sql) ?? prepare(sql);
    statements.delete(sql);
    statements.set(sql, statement);
    for (const oldest of statements.keys()) {
      if (statements.size <= limit) break;
      statements.delete(oldest);
    }
    return statement;
  };
}
