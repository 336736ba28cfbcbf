import { expandWord, expandWords } from './expand.ts';
import { WordError } from './expansion-budget.ts';

/** A document in a Dockerfile (`<<EOF`) that RUN, COPY and ADD take. */
export interface Heredoc {
  readonly name: string;
  /** False where the name was quoted: variables stay as they are. */
  readonly expands: boolean;
  /** With `<<-`, tabs at the beginning of its lines are left out. */
  readonly stripsTabs: boolean;
  /** With the line feed of its last line. */
  readonly content: string;
}

export type HeredocStart = Omit<Heredoc, 'content'>;

const WORD = /^(\d*)<<(-?)([^<]+)$/;

/** The documents that a line announces, in their order; none where it is in the exec form. */
export function heredocStarts(line: string, escapeToken: '\\' | '`'): readonly HeredocStart[] {
  if (!line.includes('<<')) return [];
  let words: readonly string[];
  try {
    words = expandWords(line, { escapeToken, lookup: () => undefined, raw: true });
  } catch (error) {
    // Shells have quoting that this one has not; such a line announces nothing.
    if (error instanceof WordError) return [];
    throw error;
  }
  return words.flatMap((word) => {
    const start = heredocStart(word, escapeToken);
    return start === undefined ? [] : [start];
  });
}

/** What a word announces, undefined where it is an ordinary one. */
export function heredocStart(word: string, escapeToken: '\\' | '`'): HeredocStart | undefined {
  const [, , dash, quoted] = WORD.exec(word) ?? [];
  if (quoted === undefined || quoted.trim() !== quoted) return undefined;
  const name = expandWord(quoted, { escapeToken, lookup: () => undefined });
  if (name === '') return undefined;
  return { name, expands: !/['"\\`]/.test(quoted), stripsTabs: dash === '-' };
}
