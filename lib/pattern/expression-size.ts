const REPETITION = /\{(\d+)(?:,(\d*))?\}/y;
const BRACED_ESCAPE = /[pPx]\{[^}]*\}/y;

/**
 * The instructions that a regular expression in Go's syntax is compiled to, or more: counted repetitions are written out, so
 * that a short expression may become a long program. Reads the expression once, from left to right.
 */
export function boundExpressionSize(source: string): number {
  /** Of each open group, the instructions before its last atom. */
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
      // The group's own two, and one where it is empty.
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
      // A choice is an instruction too, and one more where it is of nothing.
      begin(character === '|' ? 2 : 1);
      at += 1;
    }
  }
  // Those at the beginning and at the end.
  return groups.reduce((sum, size) => sum + size, before + atom) + 3;
}

/** Copies of the atom, with a choice before each that may be left out. */
function repeatedSize(atom: number, least: number, most: string | undefined): number {
  if (most === undefined) return atom * Math.max(least, 1) + 1;
  if (most === '') return atom * Math.max(least, 1) + 2;
  return (atom + 1) * Math.max(Number(most), least, 1) + 1;
}

function lengthOf(pattern: RegExp, source: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0].length ?? 1;
}

/** Where a class of characters ends, which has its opening bracket at `start`. */
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
