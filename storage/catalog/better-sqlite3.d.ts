/** The part of better-sqlite3 that this folder uses besides knex; it has no types of its own. */
declare module 'better-sqlite3' {
  interface PluckedStatement<Value> {
    get(): Value | undefined;
  }

  class Database {
    constructor(file: string, options?: { readonly readonly?: boolean });
    prepare<Value>(sql: string): { pluck(): PluckedStatement<Value> };
    close(): void;
  }

  export { Database as default };
}
