/** Returns the strings of an exec form, `["a", "b"]`; undefined for a shell form. */
export function execForm(text: string): readonly string[] | undefined {
  if (!text.trimStart().startsWith('[')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
}

/** Splits at white space alone, as COPY and VOLUME do. */
export function plainWords(text: string): readonly string[] {
  return text.split(/[\t\v\f\r ]+/).filter((word) => word !== '');
}

/** Splits at white space that is neither quoted nor escaped; quotes and escapes stay, for the expansion. */
export function quotedWords(text: string, escapeToken: '\\' | '`'): readonly string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (quote === '' && /\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    word = (word ?? '') + char;
    if (char === quote) quote = '';
    else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === escapeToken && quote !== "'" && at + 1 < text.length) {
      at += 1;
      word += text.charAt(at);
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}
