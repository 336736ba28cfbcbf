/** PostgreSQL, appendix A: classes of codes for a connection that has ended or is refused; and those of the system. */
const UNREACHABLE =
  /^(?:08...|57P0[1-5]|25P03|25006|53300|ECONN\w+|EPIPE|ETIMEDOUT|EHOST\w+|ENET\w+|ENOTFOUND|EAI_AGAIN|ENOENT|EACCES)$/;

/** The driver's messages, without a code, for a connection that broke or timed out. */
const BROKEN =
  /^(?:Connection (?:terminated|ended)|timeout expired|Query read timeout|Client (?:has encountered|was closed)|The server does not support SSL)/;

/** Codes of cancelled statements: statement_timeout, and lock_timeout. */
const TOO_SLOW: readonly string[] = ['57014', '55P03'];

/** Classifies an error of the database: its connection has ended or failed, a statement timed out, or neither. */
export function troubleOf(error: unknown): 'unreachable' | 'too slow' | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = 'code' in error ? String(error.code) : '';
  if (UNREACHABLE.test(code) || BROKEN.test(error.message)) return 'unreachable';
  return TOO_SLOW.includes(code) ? 'too slow' : undefined;
}

/**
 * Reports whether a value of a statement is not valid text for the database (appendix A: character_not_in_repertoire).
 */
export function isOfText(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '22021';
}
