import type { Steps } from './steps.ts';

/** A malformed pattern, such as `[a-`. The message is Go's. */
export class PatternError extends Error {
  override readonly name = 'PatternError';

  constructor(pattern: string, options?: ErrorOptions) {
    super(`syntax error in pattern: ${JSON.stringify(pattern.slice(0, MAX_SHOWN))}`, options);
  }
}

export interface GlobOptions {
  /**
   * `**` matches any number of folders whose names have no line feed, as in moby's expressions; otherwise it equals
   * `*`.
   */
  readonly doubleStars: boolean;
}

type Token =
  | { readonly kind: 'character'; readonly code: number }
  /** `?`: any character except a slash. */
  | { readonly kind: 'any' }
  | {
      readonly kind: 'class';
      readonly negated: boolean;
      readonly ranges: readonly (readonly [number, number])[];
    }
  /** `*`: any run of characters without a slash. */
  | { readonly kind: 'star' }
  /** `**` at the end: any run of characters. */
  | { readonly kind: 'rest' }
  /** `**` elsewhere: nothing, or any run that ends with a slash. */
  | { readonly kind: 'folders' };

const MAX_SHOWN = 200;
const SLASH = 0x2f;
const LINE_FEED = 0x0a;

/** Reports whether a text has characters with a meaning in a glob. */
export function isGlob(text: string): boolean {
  return /[*?[\\]/.test(text);
}

/**
 * A shell pattern for paths, as Go's path.Match reads it: `*` and `?` stop at slashes, `[a-z]` and `[^a-z]` are
 * classes, a backslash escapes. A match takes at most two steps for each token and character: all alternatives are
 * followed at once (Thompson's simulation), without backtracking.
 */
export class Glob {
  /** The characters before the first token that is not a plain character. */
  readonly #prefix: string;
  /** The tokens after the prefix. */
  readonly #tokens: readonly Token[];

  /** Throws PatternError. */
  constructor(pattern: string, options: GlobOptions) {
    const tokens = parseTokens(pattern, options);
    const first = tokens.findIndex(({ kind }) => kind !== 'character');
    const plain = first < 0 ? tokens : tokens.slice(0, first);
    this.#prefix = plain
      .map((token) => (token.kind === 'character' ? String.fromCodePoint(token.code) : ''))
      .join('');
    this.#tokens = first < 0 ? [] : tokens.slice(first);
  }

  /** Reports whether the whole text matches. */
  matches(text: string, steps?: Steps): boolean {
    return this.#run(text, false, steps);
  }

  /** Reports whether the path matches, or a folder above it. */
  covers(path: string, steps?: Steps): boolean {
    return this.#run(path, true, steps);
  }

  #run(text: string, endsAtSlashes: boolean, steps: Steps | undefined): boolean {
    const tokens = this.#tokens;
    steps?.take(1);
    if (!text.startsWith(this.#prefix)) return false;
    if (tokens.length === 0) {
      return (
        text.length === this.#prefix.length ||
        (endsAtSlashes && text.charCodeAt(this.#prefix.length) === SLASH)
      );
    }
    let current = new States(tokens);
    let next = new States(tokens);
    current.enter(0);
    for (let at = this.#prefix.length; at < text.length; ) {
      const code = text.codePointAt(at) ?? 0;
      at += code > 0xffff ? 2 : 1;
      if (endsAtSlashes && code === SLASH && current.isDone) return true;
      next.clear();
      const taken = current.advance(code, next);
      steps?.take(taken);
      if (next.size === 0) return false;
      [current, next] = [next, current];
    }
    return current.isDone;
  }
}

/**
 * The set of positions in a pattern. State 2i is before token i; state 2i+1 is inside of the token `folders` at i,
 * whose run has to end with a slash.
 */
class States {
  readonly #tokens: readonly Token[];
  readonly #list: number[] = [];
  readonly #has: Uint8Array;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
    this.#has = new Uint8Array(2 * tokens.length + 1);
  }

  get size(): number {
    return this.#list.length;
  }

  /** Reports whether the input so far is a whole match. */
  get isDone(): boolean {
    return this.#has[2 * this.#tokens.length] === 1;
  }

  clear(): void {
    for (const state of this.#list) this.#has[state] = 0;
    this.#list.length = 0;
  }

  /** Adds the state before a token, and those after it if the token may match nothing. */
  enter(index: number): void {
    for (let at = index; this.#add(2 * at); at += 1) {
      const kind = this.#tokens[at]?.kind;
      if (kind === 'folders') this.#add(2 * at + 1);
      else if (kind !== 'star' && kind !== 'rest') return;
    }
  }

  /** Adds to `next` the states after one character. Returns the number of steps. */
  advance(code: number, next: States): number {
    let taken = this.#list.length;
    for (const state of this.#list) {
      const at = state >> 1;
      if ((state & 1) === 1) {
        if (code !== LINE_FEED) next.#add(state);
        if (code === SLASH) next.enter(at + 1);
        continue;
      }
      const token = this.#tokens[at];
      if (token === undefined || token.kind === 'folders') continue;
      if ((token.kind === 'rest' && code !== LINE_FEED) || (token.kind === 'star' && code !== SLASH))
        next.enter(at);
      else if (accepts(token, code)) next.enter(at + 1);
      if (token.kind === 'class') taken += token.ranges.length;
    }
    return taken;
  }

  #add(state: number): boolean {
    if (this.#has[state] === 1) return false;
    this.#has[state] = 1;
    this.#list.push(state);
    return true;
  }
}

function accepts(token: Token, code: number): boolean {
  if (token.kind === 'character') return token.code === code;
  if (token.kind === 'any') return code !== SLASH;
  if (token.kind === 'class') {
    return token.ranges.some(([low, high]) => low <= code && code <= high) !== token.negated;
  }
  return false;
}

function parseTokens(pattern: string, { doubleStars }: GlobOptions): readonly Token[] {
  const codes = Array.from(pattern, (char) => char.codePointAt(0) ?? 0);
  const is = (at: number, char: string) => codes[at] === char.charCodeAt(0);
  const tokens: Token[] = [];
  for (let at = 0; at < codes.length; at += 1) {
    if (is(at, '*') && doubleStars && is(at + 1, '*')) {
      at += is(at + 2, '/') ? 2 : 1;
      tokens.push(at === codes.length - 1 ? { kind: 'rest' } : { kind: 'folders' });
    } else if (is(at, '*')) {
      if (tokens.at(-1)?.kind !== 'star') tokens.push({ kind: 'star' });
    } else if (is(at, '?')) tokens.push({ kind: 'any' });
    else if (is(at, '[')) at = readClass(at);
    else {
      if (is(at, '\\')) at += 1;
      const code = codes[at];
      if (code === undefined) throw new PatternError(pattern);
      tokens.push({ kind: 'character', code });
    }
  }
  return tokens;

  /** Parses the class that begins at `start`, and returns its end. */
  function readClass(start: number): number {
    const ranges: (readonly [number, number])[] = [];
    const negated = is(start + 1, '^');
    let at = start + (negated ? 2 : 1);
    const readOne = () => {
      if (is(at, '-') || is(at, ']')) throw new PatternError(pattern);
      if (is(at, '\\')) at += 1;
      const code = codes[at];
      at += 1;
      if (code === undefined || at >= codes.length) throw new PatternError(pattern);
      return code;
    };
    while (ranges.length === 0 || !is(at, ']')) {
      const low = readOne();
      if (is(at, '-')) {
        at += 1;
        ranges.push([low, readOne()]);
      } else ranges.push([low, low]);
    }
    tokens.push({ kind: 'class', negated, ranges });
    return at;
  }
}
