/** Suffixes, each a higher power of the base; a number without a suffix is in bytes. */
const LETTERS = 'bkmgtp';
const SYNTAXES = {
  decimal: /^(\d+(?:\.\d+)?) ?([bkmgtp]?)b?$/i,
  binary: /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i,
  exact: /^(\d{1,15})(?:([KMGT])(i?)B)?$/,
} as const;

/**
 * Parses a size: `10m` as powers of 1000 (`decimal`, Docker's logs) or of 1024 (`binary`, Docker's memory), or with an
 * explicit unit, such as `500MB` or `20GiB` (`exact`). Returns bytes, which may exceed a safe integer, or undefined for
 * any other text.
 */
export function parseSize(text: string, syntax: keyof typeof SYNTAXES): number | undefined {
  const [, count, letter = '', mark] = SYNTAXES[syntax].exec(text) ?? [];
  if (count === undefined) return undefined;
  const base = syntax === 'binary' || mark === 'i' ? 1024 : 1000;
  return Math.floor(Number(count) * base ** LETTERS.indexOf(letter.toLowerCase() || 'b'));
}
