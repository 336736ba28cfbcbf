/**
 * PostgreSQL, appendix A: the classes of codes by which the server says that this connection is over, or that it
 * takes none now; and those of the system.
 */
const UNREACHABLE =
  /^(?:08...|57P0[1-5]|25P03|25006|53300|ECONN\w+|EPIPE|ETIMEDOUT|EHOST\w+|ENET\w+|ENOTFOUND|EAI_AGAIN|ENOENT|EACCES)$/;

/** What the driver says, without a code, of a connection that broke or could not be made in time. */
const BROKEN =
  /^(?:Connection (?:terminated|ended)|timeout expired|Query read timeout|Client (?:has encountered|was closed)|The server does not support SSL)/;

/** Of statements that were given up: statement_timeout, and lock_timeout. */
const TOO_SLOW: readonly string[] = ['57014', '55P03'];

/**
 * What an error says about the database: that its connection is over or could not be made, that a statement took
 * too long, or nothing of this kind.
 */
export function troubleOf(error: unknown): 'unreachable' | 'too slow' | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = 'code' in error ? String(error.code) : '';
  if (UNREACHABLE.test(code) || BROKEN.test(error.message)) return 'unreachable';
  return TOO_SLOW.includes(code) ? 'too slow' : undefined;
}

/** Whether a value of a statement is no text of the database's (appendix A: character_not_in_repertoire). */
export function isOfText(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '22021';
}
