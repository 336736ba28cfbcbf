import { goDuration } from '../../../lib/time/timestamp.ts';
import type { Healthcheck } from '../frontend/instruction.ts';

/** Texts of the history as the field's tools write and expect them: Go's `%q` of a list, of a set. */
export function goList(words: readonly string[]): string {
  return `[${words.map((word) => JSON.stringify(word)).join(' ')}]`;
}

export function goSet(names: readonly string[]): string {
  return `map[${[...names]
    .sort()
    .map((name) => `${name}:{}`)
    .join(' ')}]`;
}

/** Go's `%q` of the structure that BuildKit has for a health check; its number of retries is quoted as a character. */
export function goHealthcheck(check: Healthcheck): string {
  const times = [check.Interval, check.Timeout, check.StartPeriod, check.StartInterval];
  const quoted = times.map((time = 0) => `"${time === 0 ? '0s' : goDuration(time / 1e6)}"`);
  return `&{${goList(check.Test)} ${quoted.join(' ')} ${goCharacter(check.Retries ?? 0)}}`;
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\u0007', 'a'],
  ['\b', 'b'],
  ['\t', 't'],
  ['\n', 'n'],
  ['\v', 'v'],
  ['\f', 'f'],
  ['\r', 'r'],
  ["'", "'"],
  ['\\', '\\'],
]);

function goCharacter(code: number): string {
  const character = code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
  const escaped = ESCAPES.get(character);
  if (escaped !== undefined) return `'\\${escaped}'`;
  if (/^\P{C}$/u.test(character)) return `'${character}'`;
  const hex = code.toString(16);
  return code < 0x80 ? `'\\x${hex.padStart(2, '0')}'` : `'\\u${hex.padStart(4, '0')}'`;
}
