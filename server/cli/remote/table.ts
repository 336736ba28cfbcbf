import { ConfigError } from '../../../lib/settings/config-error.ts';
import { printable, printLine } from '../printable.ts';

export interface Column<Row> {
  /** In capitals. */
  readonly head: string;
  readonly cell: (row: Row) => string;
}

export type Format = 'table' | 'json';

/** Reads --format. Throws ConfigError. */
export function parseFormat(text: string | undefined): Format {
  if (text === undefined || text === 'table') return 'table';
  if (text === 'json') return text;
  throw new ConfigError(`"${text}" is no --format: write json or table`);
}

/**
 * Prints rows: aligned columns, with a head on a terminal; or a JSON object for each row. What others have written does
 * nothing to a terminal.
 */
export function printRows<Row extends object>(
  format: Format,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
): void {
  const lines =
    format === 'json'
      ? rows.map((row) => printable(JSON.stringify(row)))
      : alignedLines(rows, columns, process.stdout.isTTY);
  if (lines.length > 0) printLine(lines.join('\n'));
}

/** The lines of a table. */
export function alignedLines<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  withHead: boolean,
): readonly string[] {
  const cells = rows.map((row) => columns.map(({ cell }) => printable(cell(row)) || '-'));
  const all = withHead ? [columns.map(({ head }) => head), ...cells] : cells;
  const widths = columns.map((_, index) => Math.max(0, ...all.map((row) => row[index]?.length ?? 0)));
  return all.map((row) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** Labels as people write them, such as `role=web zone=a`. */
export function labelsOf(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
}

/** How long ago a time was, such as `5m`, for people. */
export function ago(time: string | null | undefined, now = Date.now()): string {
  if (time === null || time === undefined) return 'never';
  const seconds = Math.max(0, Math.round((now - Date.parse(time)) / 1000));
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
  ] as const) {
    if (seconds >= size) return `${Math.floor(seconds / size)}${unit} ago`;
  }
  return `${seconds}s ago`;
}

/** Characters of a digest's hexadecimal digits that tell it from others. */
const DIGITS = 12;

/** A digest in short. */
export function shortDigest(digest: string): string {
  return digest.replace(/^sha256:/, '').slice(0, DIGITS);
}
