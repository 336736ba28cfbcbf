const REPETITION = /\{(\d+)(?:,(\d*))?\}/y;
const BRACED_ESCAPE = /[pPx]\{[^}]*\}/y;

/**
 * Returns an upper bound of the instructions that a regular expression in Go's syntax compiles to. Counted repetitions
 * are expanded, so a short expression may become a long program. Linear in the length of the expression.
 */
export function boundExpressionSize(source: string): number {
  /** For each open group, the instructions before its last atom. */
  const groups: number[] = [];
  let before = 0;
  let atom = 0;
  const begin = (size: number) => {
    before += atom;
    atom = size;
  };
  for (let at = 0; at < source.length; ) {
    const character = source[at];
    if (character === '\\' && source[at + 1] === 'Q') {
      const end = source.indexOf('\\E', at + 2);
      const text = source.slice(at + 2, end < 0 ? undefined : end);
      for (let index = 0; index < text.length; index += 1) begin(1);
      at = end < 0 ? source.length : end + 2;
    } else if (character === '\\') {
      begin(1);
      at += 1 + lengthOf(BRACED_ESCAPE, source, at + 1);
    } else if (character === '[') {
      begin(1);
      at = endOfClass(source, at);
    } else if (character === '(') {
      groups.push(before + atom);
      before = 0;
      // Two for the group itself, and one if it is empty.
      atom = 3;
      at += 1;
    } else if (character === ')') {
      atom += before;
      before = groups.pop() ?? 0;
      at += 1;
    } else if (character === '{') {
      REPETITION.lastIndex = at;
      const found = REPETITION.exec(source);
      if (found === null) begin(1);
      else atom = repeatedSize(atom, Number(found[1]), found[2]);
      at += found?.[0].length ?? 1;
    } else if (character === '*' || character === '+' || character === '?') {
      atom += 1;
      at += 1;
    } else {
      // An alternation takes one instruction, and an empty alternative another.
      begin(character === '|' ? 2 : 1);
      at += 1;
    }
  }
  // The instructions at the beginning and the end.
  return groups.reduce((sum, size) => sum + size, before + atom) + 3;
}

/** Copies of the atom, each optional one after an instruction for the choice. */
function repeatedSize(atom: number, least: number, most: string | undefined): number {
  if (most === undefined) return atom * Math.max(least, 1) + 1;
  if (most === '') return atom * Math.max(least, 1) + 2;
  return (atom + 1) * Math.max(Number(most), least, 1) + 1;
}

function lengthOf(pattern: RegExp, source: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0].length ?? 1;
}

/** Returns the end of the character class whose opening bracket is at `start`. */
function endOfClass(source: string, start: number): number {
  let at = start + (source[start + 1] === '^' ? 2 : 1);
  if (source[at] === ']') at += 1;
  while (at < source.length && source[at] !== ']') {
    const named = source.startsWith('[:', at) ? source.indexOf(':]', at + 2) : -1;
    if (named >= 0) at = named + 2;
    else at += source[at] === '\\' ? 2 : 1;
  }
  return at + 1;
}
