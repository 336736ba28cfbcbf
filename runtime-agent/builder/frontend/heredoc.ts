import { expandWord, expandWords } from './expand.ts';
import { WordError } from './expansion-budget.ts';
import { quotedWords } from './words.ts';

/** A document in a Dockerfile (`<<EOF`) that RUN, COPY and ADD take. */
export interface Heredoc {
  readonly name: string;
  /** Whether variables are expanded; false if the name was quoted. */
  readonly expands: boolean;
  /** Whether leading tabs of its lines are removed (`<<-`). */
  readonly stripsTabs: boolean;
  /** Includes the line feed of its last line. */
  readonly content: string;
}

export interface HeredocStart extends Omit<Heredoc, 'content'> {
  /** Whether the name is separate, `<< EOF`: a numeric shift looks the same. */
  readonly isApart: boolean;
}

const WORD = /^(\d*)<<(-?)([ \t]*)([^<\s][^<]*)$/;
/** The name may be separate, as in shells. */
const APART = /^\d*<<-?$/;

/** Returns the heredocs that a line starts, in order; none in the exec form. */
export function heredocStarts(line: string, escapeToken: '\\' | '`'): readonly HeredocStart[] {
  if (!line.includes('<<')) return [];
  let words: readonly string[];
  try {
    words = expandWords(line, { escapeToken, lookup: () => undefined, raw: true });
  } catch (error) {
    // Shells have quoting that this parser does not support; such a line starts no heredoc.
    if (error instanceof WordError) return [];
    throw error;
  }
  return withNames(words).flatMap((word) => {
    const start = heredocStart(word, escapeToken);
    return start === undefined ? [] : [start];
  });
}

/** Joins separate names (`<< EOF`) with their operators. */
export function withNames(words: readonly string[]): readonly string[] {
  const joined: string[] = [];
  for (const word of words) {
    const last = joined.at(-1);
    if (last === undefined || !APART.test(last)) joined.push(word);
    else joined[joined.length - 1] = `${last} ${word}`;
  }
  return joined;
}

/** Returns the heredoc that a word starts, undefined for an ordinary word. */
export function heredocStart(word: string, escapeToken: '\\' | '`'): HeredocStart | undefined {
  const [, , dash, space, quoted] = WORD.exec(word) ?? [];
  // The shell reads the text after the name.
  if (quoted === undefined || quotedWords(quoted, escapeToken).join('') !== quoted) return undefined;
  const name = expandWord(quoted, { escapeToken, lookup: () => undefined });
  if (name === '') return undefined;
  return { name, expands: !/['"\\`]/.test(quoted), stripsTabs: dash === '-', isApart: space !== '' };
}
