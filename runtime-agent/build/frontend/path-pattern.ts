/** A pattern that does not end, such as `[a-`. */
export class PathPatternError extends Error {
  override readonly name = 'PathPatternError';
}

/** Whether a text has characters that a pattern gives a meaning. */
export function isPattern(text: string): boolean {
  return /[*?[\\]/.test(text);
}

/**
 * A matcher of whole paths: `*` and `?` stop at slashes, `[a-z]` and `[^a-z]` are classes, a backslash escapes (Go's
 * filepath.Match), and `**` matches any number of folders where `doubleStars` is set (moby's patternmatcher). Throws
 * PathPatternError.
 */
export function pathMatcher(
  pattern: string,
  options: { readonly doubleStars: boolean },
): (path: string) => boolean {
  let source = '';
  for (let at = 0; at < pattern.length; at += 1) {
    const char = pattern.charAt(at);
    if (char === '*') {
      const isDouble = options.doubleStars && pattern.charAt(at + 1) === '*';
      while (pattern.charAt(at + 1) === '*') at += 1;
      if (!isDouble) source += '[^/]*';
      else if (at === pattern.length - 1) source += '.*';
      else {
        if (pattern.charAt(at + 1) === '/') at += 1;
        source += '(?:.*/)?';
      }
    } else if (char === '?') source += '[^/]';
    else if (char === '[') {
      const end = pattern.indexOf(']', at + 2);
      if (end < 0) throw new PathPatternError(`syntax error in pattern: ${JSON.stringify(pattern)}`);
      const body = pattern.slice(at + 1, end);
      const negated = body.startsWith('^');
      source += `[${negated ? '^/' : ''}${(negated ? body.slice(1) : body).replace(/[\\[\]^]/g, '\\$&')}]`;
      at = end;
    } else {
      if (char === '\\') at += 1;
      const literal = pattern.charAt(at);
      if (literal === '') throw new PathPatternError(`syntax error in pattern: ${JSON.stringify(pattern)}`);
      source += literal.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
    }
  }
  let expression: RegExp;
  try {
    expression = new RegExp(`^${source}$`, 's');
  } catch (error) {
    throw new PathPatternError(`syntax error in pattern: ${JSON.stringify(pattern)}`, { cause: error });
  }
  return (path) => expression.test(path);
}
