/** The part of a better-sqlite3 connection that compiles SQL. */
export interface PreparingConnection {
  prepare(sql: string): unknown;
}

const READS_OR_WRITES = /^\s*(?:select|insert|update|delete|with)\b/i;

/**
 * Makes a connection keep the `limit` statements that it compiled last: knex compiles each query anew, which
 * takes longer than running it. Whatever may change the schema empties the cache.
 */
export function cacheStatements(connection: PreparingConnection, limit: number): void {
  const prepare = connection.prepare.bind(connection);
  const statements = new Map<string, unknown>();
  connection.prepare = (sql) => {
    if (!READS_OR_WRITES.test(sql)) {
      if (!isTransactionControl(sql)) statements.clear();
      return prepare(sql);
    }
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

function isTransactionControl(sql: string): boolean {
  return /^\s*(?:begin|commit|rollback|savepoint|release)\b/i.test(sql);
}
