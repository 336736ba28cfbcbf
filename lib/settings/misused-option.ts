/** Returns what is wrong with the options of a command, as a clause, from the error of node:util's parseArgs. */
export function misusedOption(cause: unknown): string {
  const why = cause instanceof Error ? cause.message : String(cause);
  const unknown = unknownOption(cause);
  if (unknown !== undefined) return `the option "${unknown}" is not known`;
  const word = /^Unexpected argument '(.*)'\. This command /s.exec(why)?.[1];
  if (word !== undefined) return `the word "${word}" is not expected`;
  const option = /^Option '(?:-\w, )?(--?[\w-]+)/.exec(why)?.[1];
  if (option === undefined) return why.split('\n')[0] ?? why;
  if (why.includes('does not take an argument')) return `${option} takes no value`;
  const joined = option.startsWith('--') ? `${option}=VALUE` : `${option}VALUE`;
  return `${option} needs a value, which is written ${joined} if it begins with "-"`;
}

/** Returns the option that parseArgs does not know; undefined for its other errors. */
export function unknownOption(cause: unknown): string | undefined {
  return cause instanceof Error ? /^Unknown option '([^']*)'/.exec(cause.message)?.[1] : undefined;
}
