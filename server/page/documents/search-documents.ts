import type { DocumentSection, RenderedDocument } from '../markdown.ts';

/** Maximum words of a search that count. */
const MOST_WORDS = 8;
const MOST_FOUND = 40;
const EXCERPT = 200;

/** A piece of an excerpt, and whether it is one of the search words. */
export interface Piece {
  readonly text: string;
  readonly isFound: boolean;
}

/** A section that contains the words. */
export interface FoundSection {
  /** Path of its document, below `/docs/`. */
  readonly path: string;
  readonly title: string;
  readonly anchor: string;
  readonly heading: string;
  readonly excerpt: readonly Piece[];
}

/**
 * Finds the sections that contain most of the words of a search; those with the words in their headings come first.
 * Case does not matter, nor where a word begins or ends. Takes time in proportion to the documents; returns at most 40
 * sections.
 */
export function searchDocuments(
  documents: ReadonlyMap<string, RenderedDocument>,
  question: string,
): readonly FoundSection[] {
  const words = wordsOf(question);
  const found = [...documents].flatMap(([path, { sections, title }]) =>
    // The index has the words of the others.
    path === ''
      ? []
      : sections.map((section) => ({ path, title, section, ...scoreOf(section, title, words) })),
  );
  const most = Math.max(1, ...found.map(({ matched }) => matched));
  return found
    .filter(({ matched }) => matched === most)
    .sort((a, b) => b.named - a.named || kindOf(a.path) - kindOf(b.path))
    .slice(0, MOST_FOUND)
    .map(({ path, section, title }) => ({
      path,
      title,
      anchor: section.anchor,
      heading: section.heading,
      excerpt: excerptOf(section.text, words),
    }));
}

/** Guides come before explanations. */
const KINDS = ['tutorials/', 'how-to/', 'deploy', 'reference/', 'explanation/'];

function kindOf(path: string): number {
  const index = KINDS.findIndex((kind) => path.startsWith(kind));
  return index < 0 ? KINDS.length : index;
}

function wordsOf(question: string): readonly string[] {
  const words = question.toLowerCase().split(/\s+/).filter(Boolean);
  return [...new Set(words)].slice(0, MOST_WORDS);
}

/** Returns a section's score: the number of words in it, in its heading and in its document's title. */
function scoreOf({ heading, text }: DocumentSection, title: string, words: readonly string[]) {
  const head = `${heading} ${title}`.toLowerCase();
  const own = heading.toLowerCase();
  const body = text.toLowerCase();
  const count = (texts: readonly string[]) =>
    words.filter((word) => texts.some((one) => one.includes(word))).length;
  return { matched: count([body, own]), named: 2 * count([own]) + count([head]) };
}

/** Returns the text around the first of the words. */
function excerptOf(text: string, words: readonly string[]): readonly Piece[] {
  const first = nextWord(text.toLowerCase(), words, 0)?.at ?? 0;
  const start = first < EXCERPT / 3 ? 0 : text.indexOf(' ', first - EXCERPT / 3) + 1;
  const cut = text.length > start + EXCERPT;
  const end = cut ? text.lastIndexOf(' ', start + EXCERPT) : text.length;
  const shown = text.slice(start, end > start ? end : start + EXCERPT);
  return [
    ...(start > 0 ? [{ text: '… ', isFound: false }] : []),
    ...piecesOf(shown, words),
    ...(cut ? [{ text: ' …', isFound: false }] : []),
  ];
}

function piecesOf(text: string, words: readonly string[]): readonly Piece[] {
  const pieces: Piece[] = [];
  const lower = text.toLowerCase();
  // Some letters have more code units in lower case: then nothing is marked.
  if (lower.length !== text.length) return [{ text, isFound: false }];
  let from = 0;
  for (let next = nextWord(lower, words, 0); next !== undefined; next = nextWord(lower, words, from)) {
    const to = next.at + next.word.length;
    if (next.at > from) pieces.push({ text: text.slice(from, next.at), isFound: false });
    pieces.push({ text: text.slice(next.at, to), isFound: true });
    from = to;
  }
  if (from < text.length) pieces.push({ text: text.slice(from), isFound: false });
  return pieces;
}

/** Finds the first of the words from an index on; of several at one position, the longest. */
function nextWord(text: string, words: readonly string[], from: number) {
  let best: { readonly at: number; readonly word: string } | undefined;
  for (const word of words) {
    const at = text.indexOf(word, from);
    if (at < 0 || (best && (at > best.at || (at === best.at && word.length < best.word.length)))) continue;
    best = { at, word };
  }
  return best;
}
