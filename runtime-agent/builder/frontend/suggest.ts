const MOST_EDITS = 3;

/** Returns ` (did you mean X?)` for the most similar option, or '' when none is similar. */
export function suggestion(typed: string, options: readonly string[]): string {
  let best: { readonly option: string; readonly distance: number } | undefined;
  for (const option of options) {
    // Each additional character is an edit; the text may be as long as a Dockerfile.
    if (Math.abs(typed.length - option.length) > MOST_EDITS) continue;
    const distance = editDistance(typed.toLowerCase(), option.toLowerCase());
    if (best === undefined || distance < best.distance) best = { option, distance };
  }
  const limit = typed.length <= 3 ? 2 : MOST_EDITS;
  if (best === undefined || best.distance > limit || best.distance >= typed.length) return '';
  return ` (did you mean ${best.option}?)`;
}

/** Levenshtein distance, where swapping two neighbours counts as one edit. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, (beforeLast[column - 2] ?? 0) + 1);
      }
      current.push(cost);
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length] ?? 0;
}
