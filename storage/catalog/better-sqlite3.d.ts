/** The part of better-sqlite3, which has no types of its own, that this folder uses beside knex. */
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
