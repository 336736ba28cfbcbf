/** One way to authenticate that a server offers (RFC 9110, 11.6.1). */
export interface Challenge {
  /** In lower case: `basic`, `bearer`. */
  readonly scheme: string;
  /** Names are in lower case, values without quotes. */
  readonly parameters: Readonly<Record<string, string>>;
}

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
const EQUALS = /[ \t]*=[ \t]*/y;
const SEPARATOR = /[ \t]*(?:,[ \t]*)*/y;

/**
 * Parses a WWW-Authenticate header, which may hold several challenges. Everything after a malformed part is ignored.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(header);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  while (at < header.length) {
    take(SEPARATOR);
    const word = take(TOKEN)?.[0];
    if (word === undefined) break;
    if (take(EQUALS) === null) {
      challenges.push({ scheme: word.toLowerCase(), parameters: {} });
      continue;
    }
    const quoted = take(QUOTED)?.[1];
    const value = quoted === undefined ? take(TOKEN)?.[0] : quoted.replace(/\\(.)/g, '$1');
    const current = challenges.at(-1);
    if (value === undefined || current === undefined) break;
    current.parameters[word.toLowerCase()] = value;
  }
  return challenges;
}
