import { ShellPattern } from '../../../lib/pattern/shell-pattern.ts';
import { checkDepth, checkLength, ExpansionBudget, WordError } from './expansion-budget.ts';

/** Options for expanding a word of an instruction. */
export interface WordOptions {
  readonly escapeToken: '\\' | '`';
  /** Returns undefined for an unset variable. */
  readonly lookup: (name: string) => string | undefined;
  /** Quotes, escapes and variables that are not set stay as they are. */
  readonly raw?: boolean;
  /** Whether the text is a document: quotes have no meaning, and an escape only before a `$`. */
  readonly isDocument?: boolean;
  /** Shared by all words of a file. */
  readonly budget?: ExpansionBudget;
}

/** Expands variables and removes quotes (reference, "Environment replacement"). Throws WordError. */
export function expandWord(word: string, options: WordOptions): string {
  return new WordReader(word, options).whole().join('');
}

/** Like expandWord, and splits at unquoted white space, also from variables. */
export function expandWords(text: string, options: WordOptions): readonly string[] {
  return new WordReader(text, options).words();
}

const SPECIAL = '@*#?-$!0';

class WordReader {
  readonly #text: string;
  readonly #options: WordOptions;
  readonly #budget: ExpansionBudget;
  #at = 0;
  /** Depth of nested modifiers. */
  #depth = 0;
  #length = 0;

  constructor(text: string, options: WordOptions) {
    this.#text = text;
    this.#options = options;
    this.#budget = options.budget ?? new ExpansionBudget();
  }

  whole(): readonly string[] {
    const parts: string[] = [];
    while (this.#at < this.#text.length) parts.push(this.#counted(this.#part()).text);
    return parts;
  }

  words(): readonly string[] {
    const words: string[] = [];
    let current: string | undefined;
    while (this.#at < this.#text.length) {
      const { text, splits } = this.#counted(this.#part());
      if (!splits) {
        current = (current ?? '') + text;
        continue;
      }
      for (const [index, piece] of text.split(/\s/).entries()) {
        if (index > 0 && current !== undefined) {
          words.push(current);
          current = undefined;
        }
        if (piece !== '') current = (current ?? '') + piece;
      }
    }
    if (current !== undefined) words.push(current);
    return words;
  }

  #counted<Part extends { readonly text: string }>(part: Part): Part {
    this.#length += part.text.length;
    checkLength(this.#length);
    this.#budget.spend(part.text.length);
    return part;
  }

  /** Reads the next character, quotation or variable; `splits` if white space in it ends a word. */
  #part(): { readonly text: string; readonly splits: boolean } {
    const { escapeToken, raw, isDocument = false } = this.#options;
    const char = this.#text.charAt(this.#at);
    if (isDocument && char !== '$') return { text: this.#documentPart(char), splits: true };
    if (char === "'") return { text: this.#singleQuoted(), splits: false };
    if (char === '"') return { text: this.#doubleQuoted(), splits: false };
    if (char === '$') return { text: this.#variable(), splits: true };
    this.#at += 1;
    if (char !== escapeToken) return { text: char, splits: true };
    const next = this.#text.charAt(this.#at);
    // An escape at the end is empty.
    if (next === '') return { text: raw ? char : '', splits: false };
    this.#at += 1;
    return { text: raw ? char + next : next, splits: false };
  }

  #documentPart(char: string): string {
    const isEscaped = char === this.#options.escapeToken && this.#text.charAt(this.#at + 1) === '$';
    this.#at += isEscaped ? 2 : 1;
    return isEscaped ? '$' : char;
  }

  #singleQuoted(): string {
    const end = this.#text.indexOf("'", this.#at + 1);
    if (end < 0) throw new WordError('unexpected end of statement while looking for matching single-quote');
    const inner = this.#text.slice(this.#at + 1, end);
    this.#at = end + 1;
    return this.#options.raw ? `'${inner}'` : inner;
  }

  #doubleQuoted(): string {
    const { escapeToken, raw } = this.#options;
    let result = '';
    this.#at += 1;
    for (;;) {
      const char = this.#text.charAt(this.#at);
      if (char === '') {
        throw new WordError('unexpected end of statement while looking for matching double-quote');
      }
      if (char === '"') {
        this.#at += 1;
        return raw ? `"${result}"` : result;
      }
      if (char === '$') {
        result += this.#variable();
        checkLength(result.length);
        continue;
      }
      this.#at += 1;
      if (char !== escapeToken) {
        result += char;
        continue;
      }
      const next = this.#text.charAt(this.#at);
      if (next === '' || raw) {
        result += char + next;
        this.#at += next.length;
        continue;
      }
      this.#at += 1;
      // Within double quotes the escape works only before these.
      result += next === '"' || next === '$' || next === escapeToken ? next : char + next;
    }
  }

  #variable(): string {
    const start = this.#at;
    this.#at += 1;
    if (this.#text.charAt(this.#at) !== '{') {
      const name = this.#name();
      if (name === '') return '$';
      return this.#options.lookup(name) ?? (this.#options.raw ? this.#text.slice(start, this.#at) : '');
    }
    this.#at += 1;
    const name = this.#name();
    if (name === '') throw new WordError('syntax error: bad substitution');
    const char = this.#text.charAt(this.#at);
    if (char === '') throw new WordError('syntax error: missing }');
    const value = this.#options.lookup(name);
    if (char === '}') {
      this.#at += 1;
      return value ?? (this.#options.raw ? this.#text.slice(start, this.#at) : '');
    }
    return this.#modified(name, value, start);
  }

  #modified(name: string, value: string | undefined, start: number): string {
    const rest = this.#text.slice(this.#at);
    const [operator] = /^(?::[-+?]|[-+?]|##?|%%?|\/\/?)/.exec(rest) ?? [];
    if (operator === undefined) {
      throw new WordError(`unsupported modifier (${rest.slice(0, 2)}) in substitution of ${name}`);
    }
    this.#at += operator.length;
    if (operator.startsWith('/')) {
      const pattern = this.#until('/}');
      const hasReplacement = this.#text.charAt(this.#at - 1) === '/';
      const replacement = hasReplacement ? this.#until('}') : '';
      if (value === undefined) return this.#options.raw ? this.#text.slice(start, this.#at) : '';
      return this.#replaced(value, pattern, replacement, operator === '//' ? 'all' : 'first');
    }
    const word = this.#until('}');
    const isSet = value !== undefined && !(operator.startsWith(':') && value === '');
    switch (operator.at(-1)) {
      case '-':
        return isSet ? value : word;
      case '+':
        return isSet ? word : '';
      case '?':
        if (!isSet) throw new WordError(`${name}: ${word === '' ? 'is not allowed to be unset' : word}`);
        return value;
      default:
        return value === undefined ? '' : this.#trimmed(value, operator, word);
    }
  }

  #replaced(value: string, pattern: string, replacement: string, which: 'first' | 'all'): string {
    let result = '';
    let kept = 0;
    for (const { start, end } of new ShellPattern(pattern).matches(
      value,
      this.#budget.stepsOf(pattern, value),
    )) {
      result += value.slice(kept, start) + replacement;
      kept = end;
      this.#budget.spend(replacement.length);
      checkLength(result.length);
      if (which === 'first') break;
    }
    return result + value.slice(kept);
  }

  /** Removes the shortest matching beginning (`#`) or end (`%`) of the value, or with `##` and `%%` the longest. */
  #trimmed(value: string, operator: string, word: string): string {
    const wanted = operator.length === 2 ? 'longest' : 'shortest';
    const pattern = new ShellPattern(word);
    const steps = this.#budget.stepsOf(word, value);
    return operator.startsWith('#')
      ? value.slice(pattern.matchStart(value, wanted, steps) ?? 0)
      : value.slice(0, pattern.matchEnd(value, wanted, steps) ?? value.length);
  }

  /** Returns the expanded text up to one of `ends`, and skips that. */
  #until(ends: string): string {
    let result = '';
    this.#depth += 1;
    checkDepth(this.#depth);
    for (;;) {
      const char = this.#text.charAt(this.#at);
      if (char === '') throw new WordError('syntax error: missing }');
      if (ends.includes(char)) {
        this.#at += 1;
        this.#depth -= 1;
        return result;
      }
      result += this.#part().text;
      checkLength(result.length);
    }
  }

  #name(): string {
    const rest = this.#text.slice(this.#at);
    const [name = ''] = /^(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+)/.exec(rest) ?? [];
    if (name !== '') {
      this.#at += name.length;
      return name;
    }
    const char = rest.charAt(0);
    if (char === '' || !SPECIAL.includes(char)) return '';
    this.#at += 1;
    return char;
  }
}
