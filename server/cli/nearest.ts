/** The one of `words` that is most like `word`, if one may well have been meant. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const distances = words.map((candidate) => ({ candidate, distance: distanceOf(word, candidate) }));
  const [best] = distances.sort((one, other) => one.distance - other.distance);
  if (best === undefined || best.distance > Math.max(2, word.length / 3)) return undefined;
  return best.candidate;
}

/** Characters that have to be added, left out or replaced to make one word of the other (Levenshtein). */
function distanceOf(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [index, character] of [...one.slice(0, 100)].entries()) {
    const next = [index + 1];
    for (let column = 1; column <= other.length; column += 1) {
      const replaced = (row[column - 1] ?? 0) + (other[column - 1] === character ? 0 : 1);
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
