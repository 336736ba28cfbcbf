import type { Steps } from './steps.ts';

/** Part of a text, `end` not included. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A run of characters between two stars; ANY is a `?`. */
type Part = Int32Array;

const ANY = -1;
const NONE: Part = new Int32Array();

/**
 * A shell pattern for plain text: `*` and `?` match anything, also slashes and line feeds, and a backslash escapes.
 * Each part between the stars is searched for once, from left to right, so a match takes at most the length of the
 * pattern times the length of the text in steps.
 */
export class ShellPattern {
  readonly #parts: readonly Part[];

  constructor(pattern: string) {
    const parts: number[][] = [[]];
    for (let at = 0; at < pattern.length; at += 1) {
      const char = pattern.charAt(at);
      if (char === '*') {
        parts.push([]);
        continue;
      }
      if (char === '\\' && at + 1 < pattern.length) at += 1;
      parts.at(-1)?.push(char === '?' ? ANY : pattern.charCodeAt(at));
    }
    // Consecutive stars equal one.
    this.#parts = parts
      .filter((part, index) => part.length > 0 || index === 0 || index === parts.length - 1)
      .map((part) => Int32Array.from(part));
  }

  /** Returns the end of the shortest or longest prefix of a text that matches; undefined without a match. */
  matchStart(text: string, wanted: 'shortest' | 'longest', steps: Steps): number | undefined {
    return prefixEnd(this.#parts, codesOf(text), wanted, steps);
  }

  /** Returns the start of the shortest or longest suffix of a text that matches; undefined without a match. */
  matchEnd(text: string, wanted: 'shortest' | 'longest', steps: Steps): number | undefined {
    const reversed = this.#parts.map((part) => part.toReversed()).reverse();
    const end = prefixEnd(reversed, codesOf(text).reverse(), wanted, steps);
    return end === undefined ? undefined : text.length - end;
  }

  /** Yields the matches from left to right, each as long as possible, without overlaps. */
  *matches(text: string, steps: Steps): Generator<Span> {
    const codes = codesOf(text);
    const [first = NONE, ...rest] = this.#parts;
    for (let from = 0; ; ) {
      const start = find(codes, first, from, steps);
      if (start === undefined) return;
      const after = start + first.length;
      const end = rest.length === 0 ? after : restEnd(rest, codes, after, 'longest', steps);
      // If the rest is not found after the first place for the beginning, it is not found after a later one.
      if (end === undefined) return;
      // An empty match directly after a match does not count.
      if (end > start || start === 0) yield { start, end };
      if (end === start) return;
      from = end;
    }
  }
}

function codesOf(text: string): Uint16Array {
  const codes = new Uint16Array(text.length);
  for (let at = 0; at < text.length; at += 1) codes[at] = text.charCodeAt(at);
  return codes;
}

function prefixEnd(
  [first = NONE, ...rest]: readonly Part[],
  codes: Uint16Array,
  wanted: 'shortest' | 'longest',
  steps: Steps,
): number | undefined {
  if (!isAt(codes, first, 0, steps)) return undefined;
  return rest.length === 0 ? first.length : restEnd(rest, codes, first.length, wanted, steps);
}

/** Returns the end of the parts, each after a star, from `from` on. */
function restEnd(
  parts: readonly Part[],
  codes: Uint16Array,
  from: number,
  wanted: 'shortest' | 'longest',
  steps: Steps,
): number | undefined {
  let at = from;
  for (const [index, part] of parts.entries()) {
    const isLast = index === parts.length - 1;
    const found =
      isLast && wanted === 'longest' ? findLast(codes, part, at, steps) : find(codes, part, at, steps);
    if (found === undefined) return undefined;
    at = found + part.length;
  }
  return at;
}

function find(codes: Uint16Array, part: Part, from: number, steps: Steps): number | undefined {
  for (let at = from; at + part.length <= codes.length; at += 1) if (isAt(codes, part, at, steps)) return at;
  return undefined;
}

function findLast(codes: Uint16Array, part: Part, from: number, steps: Steps): number | undefined {
  for (let at = codes.length - part.length; at >= from; at -= 1) if (isAt(codes, part, at, steps)) return at;
  return undefined;
}

function isAt(codes: Uint16Array, part: Part, at: number, steps: Steps): boolean {
  if (at + part.length > codes.length) return false;
  let index = 0;
  while (index < part.length && (part[index] === ANY || part[index] === codes[at + index])) index += 1;
  steps.take(index + 1);
  return index === part.length;
}
