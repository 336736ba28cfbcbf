/** A flag of an instruction, `--name=value` or `--name`. */
export interface Flag {
  readonly name: string;
  /** Undefined without a value. */
  readonly value?: string;
}

/** Splits the flags off the text after a keyword; a lone `--` ends them. Quotes are removed. */
export function splitFlags(
  rest: string,
  escapeToken: '\\' | '`',
): { readonly flags: readonly Flag[]; readonly rest: string } {
  const flags: Flag[] = [];
  let at = 0;
  for (;;) {
    while (/\s/.test(rest.charAt(at))) at += 1;
    if (!rest.startsWith('--', at)) return { flags, rest: rest.slice(at) };
    const word = readWord(rest, at, escapeToken);
    at = word.end;
    if (word.text === '--') return { flags, rest: rest.slice(at).trimStart() };
    const [, name = '', , value] = /^--([^=]*)(=([\s\S]*))?$/.exec(word.text) ?? [];
    flags.push(value === undefined ? { name } : { name, value });
  }
}

function readWord(
  text: string,
  from: number,
  escapeToken: string,
): { readonly text: string; readonly end: number } {
  let result = '';
  let quote = '';
  let at = from;
  for (; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === quote) quote = '';
    else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (quote === '' && /\s/.test(char)) break;
    else if (char === escapeToken && at + 1 < text.length) {
      at += 1;
      result += text.charAt(at);
    } else result += char;
  }
  return { text: result, end: at };
}
