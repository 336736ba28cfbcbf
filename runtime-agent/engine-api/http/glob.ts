import { EngineError } from '../../errors.ts';

/**
 * A matcher for a shell pattern as Go's path.Match reads it: `*` and `?` stop at `/`, `[a-z]` and `[^a-z]` are
 * classes, a backslash escapes. Throws EngineError 'bad-request' for a pattern that does not end.
 */
export function globMatcher(pattern: string): (text: string) => boolean {
  let source = '';
  for (let at = 0; at < pattern.length; at += 1) {
    const char = pattern.charAt(at);
    if (char === '*') {
      // Runs of stars mean the same as one, and would make the expression slow.
      if (!source.endsWith('[^/]*')) source += '[^/]*';
    } else if (char === '?') source += '[^/]';
    else if (char === '[') {
      const end = pattern.indexOf(']', at + 2);
      if (end < 0) throw badPattern(pattern);
      const body = pattern.slice(at + 1, end);
      const negated = body.startsWith('^');
      source += `[${negated ? '^' : ''}${(negated ? body.slice(1) : body).replace(/[\\[\]^]/g, '\\$&')}]`;
      at = end;
    } else {
      if (char === '\\') at += 1;
      const literal = pattern.charAt(at);
      if (literal === '') throw badPattern(pattern);
      source += literal.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
    }
  }
  let expression: RegExp;
  try {
    expression = new RegExp(`^${source}$`);
  } catch (error) {
    throw new EngineError('bad-request', `invalid pattern "${pattern.slice(0, 80)}"`, { cause: error });
  }
  return (text) => expression.test(text);
}

function badPattern(pattern: string): EngineError {
  return new EngineError('bad-request', `invalid pattern "${pattern.slice(0, 80)}"`);
}
