import Database from 'better-sqlite3';
import { type CleanupScope, defer } from './cleanup.ts';

/** Rows and statements that SQLite has worked on in this process. */
export interface DatabaseLoad {
  /** The most rows that were read or written in one turn of the event loop. */
  readonly mostRowsInATurn: number;
  readonly mostStatementsInATurn: number;
  readonly statements: number;
  readonly rows: number;
}

/** Runs `work` and counts what SQLite does meanwhile, on all connections of this process. */
export async function loadOf(scope: CleanupScope, work: () => Promise<unknown>): Promise<DatabaseLoad> {
  const load = { mostRowsInATurn: 0, mostStatementsInATurn: 0, statements: 0, rows: 0 };
  let turn = { rows: 0, statements: 0 };
  const count = (rows: number) => {
    load.statements += 1;
    load.rows += rows;
    turn.statements += 1;
    turn.rows += rows;
    load.mostRowsInATurn = Math.max(load.mostRowsInATurn, turn.rows);
    load.mostStatementsInATurn = Math.max(load.mostStatementsInATurn, turn.statements);
  };
  const undo = countStatements(count);
  defer(scope, undo);
  let ended = false;
  const followTurns = () => {
    turn = { rows: 0, statements: 0 };
    if (!ended) setImmediate(followTurns);
  };
  followTurns();
  try {
    await work();
  } finally {
    ended = true;
    undo();
  }
  return load;
}

interface StatementMethods {
  all(...parameters: unknown[]): readonly unknown[];
  run(...parameters: unknown[]): { readonly changes: number };
}

function countStatements(count: (rows: number) => void): () => void {
  const connection = new Database(':memory:');
  const methods: StatementMethods = Object.getPrototypeOf(connection.prepare('select 1'));
  connection.close();
  const { all, run } = methods;
  methods.all = function (...parameters) {
    const rows = all.apply(this, parameters);
    count(rows.length);
    return rows;
  };
  methods.run = function (...parameters) {
    const result = run.apply(this, parameters);
    count(result.changes);
    return result;
  };
  return () => Object.assign(methods, { all, run });
}
