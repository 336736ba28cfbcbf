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
