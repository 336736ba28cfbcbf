import { Expression, ExpressionError } from './expression.ts';
import { Glob, PatternError } from './glob.ts';
import type { Steps } from './steps.ts';

/** Reports whether one path matches. */
type Matcher = (path: string, steps: Steps | undefined) => boolean;

/** The translation of a pattern, as in moby's patternmatcher. */
interface Translation {
  readonly kind: 'exact' | 'prefix' | 'suffix' | 'expression';
  /** The expression that moby makes from the pattern. */
  readonly expression: string;
  /** Whether a Glob means the same as the expression. */
  readonly isGlob: boolean;
}

/** Punctuation that moby escapes in its expression. */
const ESCAPED = '.+()$';
/** Punctuation that keeps its meaning in an expression: moby means to escape the last three, and does not. */
const UNESCAPED = '^|{}';
const ALPHANUMERIC = /^[0-9A-Za-z]$/;

/**
 * A pattern of an ignore file, cleaned, as moby's patternmatcher reads it. moby checks the syntax of Go's
 * filepath.Match, and then makes a regular expression from the pattern. Its side effects are part of the contract:
 * `**tar` also matches `a.tar`, `\d` is a digit, `^` is an anchor beside a wildcard, and `*` in a class is not literal.
 */
export class IgnorePattern {
  readonly #matches: Matcher;

  /** Throws PatternError. */
  constructor(pattern: string) {
    const glob = new Glob(pattern, { doubleStars: true });
    const translation = translate(pattern);
    this.#matches = matcherOf(pattern, glob, translation);
  }

  /** Reports whether the path matches, or a folder above it. Throws PatternError for an expression that Go cannot compile. */
  covers(path: string, steps?: Steps): boolean {
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
      if (this.#matches(path.slice(0, slash), steps)) return true;
    }
    return this.#matches(path, steps);
  }
}

function matcherOf(pattern: string, glob: Glob, { kind, expression, isGlob }: Translation): Matcher {
  const plain = (matches: (path: string) => boolean): Matcher => {
    return (path, steps) => {
      steps?.take(1);
      return matches(path);
    };
  };
  if (kind === 'exact') return plain((path) => path === pattern);
  if (kind === 'prefix') {
    const prefix = pattern.slice(0, -2);
    return plain((path) => path.startsWith(prefix));
  }
  if (kind === 'suffix') {
    const suffix = pattern.slice(2);
    return plain((path) => path.endsWith(suffix) || `/${path}` === suffix);
  }
  if (isGlob) return (path, steps) => glob.matches(path, steps);
  // As in moby: an exception that no file needs may be malformed.
  let compiled: Expression | undefined;
  return (path, steps) => {
    compiled ??= compile(pattern, expression);
    return compiled.test(path, steps);
  };
}

function compile(pattern: string, expression: string): Expression {
  try {
    return new Expression(expression);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw new PatternError(pattern, { cause: error });
  }
}

/** moby's Pattern.compile, character for character. */
function translate(pattern: string): Translation {
  const characters = Array.from(pattern);
  let kind: Translation['kind'] = 'exact';
  let expression = '^';
  // Go's scanner skips a byte order mark.
  const start = characters[0] === '\ufeff' ? 1 : 0;
  let isGlob = start === 0;
  for (let at = start; at < characters.length; at += 1) {
    const isFirst = at === start;
    const character = characters[at] as string;
    if (character === '*' && characters[at + 1] === '*') {
      at += characters[at + 2] === '/' ? 2 : 1;
      const isLast = at === characters.length - 1;
      if (isLast && kind === 'exact') kind = 'prefix';
      else {
        expression += isLast ? '.*' : '(.*/)?';
        kind = 'expression';
      }
      if (isFirst) kind = 'suffix';
    } else if (character === '*' || character === '?') {
      expression += character === '*' ? '[^/]*' : '[^/]';
      kind = 'expression';
    } else if (ESCAPED.includes(character)) expression += `\\${character}`;
    else if (character === '\\') {
      at += 1;
      const escaped = characters[at] ?? '';
      expression += `\\${escaped}`;
      kind = 'expression';
      isGlob &&= escaped < '\u0080' && !ALPHANUMERIC.test(escaped);
    } else {
      expression += character;
      if (character === '[' || character === ']') kind = 'expression';
      if (character === '[') {
        // A plain class ends where Go's filepath.Match ends it.
        const end = endOfPlainClass(characters, at);
        isGlob &&= end !== undefined;
        if (end === undefined) continue;
        expression += characters.slice(at + 1, end + 1).join('');
        at = end;
      } else if (UNESCAPED.includes(character)) isGlob = false;
    }
  }
  return { kind, expression: `${expression}$`, isGlob };
}

/** Returns the end of the class that begins at `start`; undefined when a Glob may read it differently. */
function endOfPlainClass(characters: readonly string[], start: number): number | undefined {
  const text = (at: number) => characters[at] ?? '';
  for (let at = start + (text(start + 1) === '^' ? 2 : 1); text(at) !== ']'; at += 1) {
    if (!isPlain(text(at))) return undefined;
    if (text(at + 1) !== '-') continue;
    if (!isPlain(text(at + 2)) || text(at) > text(at + 2)) return undefined;
    at += 2;
  }
  return start + characters.slice(start).indexOf(']');
}

function isPlain(character: string): boolean {
  return character !== '' && !'*?[\\^-'.includes(character) && character < '\ud800';
}
