import { trimEndOf } from '../../lib/pattern/trim.ts';
import { interpolate, type Lookup } from './interpolate.ts';

/** A text that is not an environment file; the message states the line. */
export class EnvFileError extends Error {
  override readonly name = 'EnvFileError';
  readonly code = 'env-file-invalid';
}

const SPACE = ' \t\v\f\r\u0085\u00a0';
const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  c: '\\c',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '"': '"',
  '\\': '\\',
  // Interpolation replaces it by one dollar sign.
  $: '$$',
};

/**
 * Parses a `.env` or `env_file` as docker compose does: `NAME=value`, `export NAME=value`, `NAME: value`, comments, values in
 * quotes that may span lines, variables in unquoted and double-quoted values. `lookup` has precedence over the file;
 * a NAME without value takes its value from it. Throws EnvFileError, TemplateError.
 */
export function parseEnvFile(text: string, lookup: Lookup): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  const fill = (value: string) => interpolate(value, (name) => lookup(name) ?? values.get(name));
  const source = text.startsWith('\ufeff') ? text.slice(1) : text;
  let position = 0;
  let line = 1;
  const fail = (message: string) => new EnvFileError(`line ${line}: ${message}`);
  const lineEnd = () => {
    const end = source.indexOf('\n', position);
    return end < 0 ? source.length : end;
  };
  while (position < source.length) {
    const character = source.charAt(position);
    if (character === '\n') line += 1;
    if (character === '\n' || SPACE.includes(character)) {
      position += 1;
      continue;
    }
    if (character === '#') {
      position = lineEnd();
      continue;
    }
    const end = lineEnd();
    if (/^export[ \t]/.test(source.slice(position, position + 7))) position = skipSpace(source, position + 6);
    const separator = findSeparator(source, position, end);
    const name = trimEndOf(source.slice(position, separator), SPACE);
    if (!isName(name)) throw fail(`${JSON.stringify(name.slice(0, 80))} is not the name of a variable`);
    position = separator;
    if (separator === end) {
      const value = lookup(name);
      if (value !== undefined) values.set(name, value);
      continue;
    }
    position = skipSpace(source, separator + 1);
    const quote = source.charAt(position);
    if (quote === '"' || quote === "'") {
      const closing = closingQuote(source, position);
      if (closing < 0) throw fail(`the value of ${name} has a ${quote} that is not closed`);
      const raw = unescapeQuote(source.slice(position + 1, closing), quote);
      values.set(name, quote === '"' ? fill(unescapeSequences(raw)) : raw);
      line += source.slice(position, closing).split('\n').length - 1;
      position = closing + 1;
    } else {
      const stop = lineEnd();
      const whole = source.slice(position, stop);
      const comment = whole.indexOf(' #');
      values.set(name, fill(trimEndOf(comment < 0 ? whole : whole.slice(0, comment), SPACE)));
      position = stop;
    }
  }
  return values;
}

function skipSpace(text: string, from: number): number {
  let position = from;
  while (position < text.length && SPACE.includes(text.charAt(position))) position += 1;
  return position;
}

/** Returns the position of the first `=` or `:`, or `end`. */
function findSeparator(text: string, from: number, end: number): number {
  for (let position = from; position < end; position += 1) {
    if (text.charAt(position) === '=' || text.charAt(position) === ':') return position;
  }
  return end;
}

function isName(text: string): boolean {
  return text.length <= 1024 && /^[\p{L}\p{N}_.[\]-]+$/u.test(text);
}

function closingQuote(text: string, open: number): number {
  const quote = text.charAt(open);
  for (let position = open + 1; position < text.length; position += 1) {
    if (text.charAt(position) === '\\') position += 1;
    else if (text.charAt(position) === quote) return position;
  }
  return -1;
}

/** Removes a backslash before the quote character; other backslashes stay. */
function unescapeQuote(text: string, quote: string): string {
  return text.replaceAll(/\\(.)/gs, (both, next: string) => (next === quote ? quote : both));
}

function unescapeSequences(text: string): string {
  return text.replaceAll(
    /\\(?:0([0-7]{3})|([abcfnrtv$"\\]))/g,
    (both, octal: string | undefined, letter: string) => {
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
      return ESCAPES[letter] ?? both;
    },
  );
}
