import type { Pair } from '../instruction.ts';
import { quotedWords } from '../words.ts';
import { refuse, type Written } from './written.ts';

/** Parses `NAME=value …`, or the old `NAME value with spaces` for one pair. */
export function parsePairs(written: Written): readonly Pair[] {
  const { rest, escapeToken, keyword } = written;
  const words = quotedWords(rest, escapeToken);
  const [first] = words;
  if (first === undefined) throw refuse(written, `${keyword} requires at least one argument`);
  if (!first.includes('=')) {
    const text = rest.trim();
    const [before = '', key = ''] = /^(\S+)\s+/.exec(text) ?? [];
    if (before === '') throw refuse(written, `${keyword} must have two arguments`);
    return [{ key, value: text.slice(before.length) }];
  }
  return words.map((word) => {
    const sign = word.indexOf('=');
    if (sign < 0) {
      throw refuse(
        written,
        `can't find = in ${JSON.stringify(word)}: the form is ${keyword} name=value, with quotes where the value has spaces`,
      );
    }
    if (sign === 0) throw refuse(written, `${keyword} names can not be blank`);
    return { key: word.slice(0, sign), value: word.slice(sign + 1) };
  });
}

/** `NAME[=default] …` */
export function parseArguments(
  written: Written,
): readonly { readonly name: string; readonly value?: string }[] {
  const words = quotedWords(written.rest, written.escapeToken);
  if (words.length === 0) throw refuse(written, 'ARG requires at least one argument');
  return words.map((word) => {
    const sign = word.indexOf('=');
    if (sign === 0) throw refuse(written, 'ARG names can not be blank');
    return sign < 0 ? { name: word } : { name: word.slice(0, sign), value: word.slice(sign + 1) };
  });
}
