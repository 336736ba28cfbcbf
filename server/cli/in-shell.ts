/** A word as a shell takes it. */
export function inShell(word: unknown): string {
  const text = String(word);
  return /^[\w./:@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
