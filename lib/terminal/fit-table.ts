/** Minimum width of a column that is cut. */
const NARROWEST = 12;
const GAP = '  ';

/**
 * Formats a table whose first row is the head, with lines of at most `width` characters: cells of the widest columns
 * are cut, and end in `…`; if that does not suffice, each row becomes a block of uncut `HEAD value` lines. Without a
 * width nothing is cut. Cells have no line feeds.
 */
export function fitTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  width?: number,
): readonly string[] {
  const all = [head, ...rows];
  const natural = head.map((_, column) => Math.max(0, ...all.map((row) => row[column]?.length ?? 0)));
  const widths = width === undefined ? natural : fittingWidths(natural, width);
  if (widths !== undefined) return all.map((row) => lineOf(row, widths));
  return rows.flatMap((row, index) => [...(index === 0 ? [] : ['']), ...blockOf(head, row, width ?? 0)]);
}

/** Returns undefined when the table does not fit even with minimum widths. */
function fittingWidths(natural: readonly number[], width: number): readonly number[] | undefined {
  const widths = [...natural];
  let over = sum(widths) + GAP.length * (widths.length - 1) - width;
  while (over > 0) {
    const widest = Math.max(...widths);
    if (widest <= NARROWEST) return undefined;
    const next = Math.max(NARROWEST, ...widths.filter((one) => one < widest));
    const column = widths.indexOf(widest);
    const cut = Math.min(over, Math.max(1, widest - next));
    widths[column] = widest - cut;
    over -= cut;
  }
  return widths;
}

function lineOf(row: readonly string[], widths: readonly number[]): string {
  const cells = row.map((cell, column) => cutTo(cell, widths[column] ?? 0).padEnd(widths[column] ?? 0));
  return cells.join(GAP).trimEnd();
}

/** Cuts a text to at most `width` characters. */
export function cutTo(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

function blockOf(head: readonly string[], row: readonly string[], width: number): readonly string[] {
  const label = Math.max(...head.map((text) => text.length));
  return row.flatMap((cell, column) => {
    const start = (head[column] ?? '').padEnd(label + 1);
    const room = Math.max(1, width - start.length);
    const parts = Array.from({ length: Math.max(1, Math.ceil(cell.length / room)) }, (_, index) =>
      cell.slice(index * room, (index + 1) * room),
    );
    return parts.map((part, index) => `${index === 0 ? start : ' '.repeat(start.length)}${part}`.trimEnd());
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
