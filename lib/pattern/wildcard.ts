/**
 * Reports whether a pattern, in which `*` stands for any run of characters, matches a text. If the text is itself a
 * pattern, reports whether it matches everything that the other matches. Each part between the stars is searched for
 * once.
 */
export function matchesWildcard(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return pattern === text;
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= end;
}

/** Returns the text before the first star: every text that `pattern` matches begins with it. */
export function wildcardPrefix(pattern: string): string {
  const star = pattern.indexOf('*');
  return star < 0 ? pattern : pattern.slice(0, star);
}

/** Returns `pattern` as an operand of SQL's LIKE, with `!` as its escape. */
export function likePattern(pattern: string): string {
  return pattern.replaceAll(/[!%_]/g, '!$&').replaceAll('*', '%');
}
