/** The source of a regular expression for a shell pattern in which `*` and `?` match anything, also slashes. */
export function patternExpression(pattern: string, greed: 'greedy' | 'lazy'): string {
  let source = '';
  for (let at = 0; at < pattern.length; at += 1) {
    const char = pattern.charAt(at);
    if (char === '*' && pattern.charAt(at + 1) === '*') continue;
    if (char === '*') source += greed === 'greedy' ? '.*' : '.*?';
    else if (char === '?') source += '.';
    else if (char === '\\' && at + 1 < pattern.length) {
      at += 1;
      source += escaped(pattern.charAt(at));
    } else source += escaped(char);
  }
  return source;
}

function escaped(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
