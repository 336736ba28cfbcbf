import { ConfigError } from '../../../lib/settings/config-error.ts';
import { fitTable } from '../../../lib/terminal/fit-table.ts';
import { printable, printLine } from '../printable.ts';

export interface Column<Row> {
  /** In capitals. */
  readonly head: string;
  readonly cell: (row: Row) => string;
}

/** `json`: one document, an array for lists; `jsonl`: an object per line. */
export type Format = 'table' | 'json' | 'jsonl';

/** The option --format. */
export const FORMAT_OPTION = { format: { type: 'string' } } as const;

/** Reads --format. Throws ConfigError. */
export function parseFormat(text: string | undefined): Format {
  if (text === undefined || text === 'table') return 'table';
  if (text === 'json' || text === 'jsonl') return text;
  throw new ConfigError(`"${text}" is not a valid --format: write json, jsonl or table`);
}

/**
 * Prints rows: aligned columns, with a head and fitted to the width on a terminal; or as JSON. Text from others is
 * escaped, so it has no effect on a terminal.
 */
export function printRows<Row extends object>(
  format: Format,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
): void {
  const { columns: width, isTTY } = process.stdout;
  const lines =
    format === 'table' ? alignedLines(rows, columns, isTTY, isTTY ? width : undefined) : jsonOf(format, rows);
  if (lines.length > 0) printLine(lines.join('\n'));
}

/** Prints one thing: lines for people, or JSON. */
export function printOne(format: Format, value: object, lines: () => readonly string[]): void {
  const shown = format === 'table' ? lines().map(printable) : [printable(JSON.stringify(value))];
  if (shown.length > 0) printLine(shown.join('\n'));
}

function jsonOf(format: 'json' | 'jsonl', rows: readonly object[]): readonly string[] {
  const lines = rows.map((row) => printable(JSON.stringify(row)));
  if (format === 'jsonl') return lines;
  return lines.length === 0 ? ['[]'] : [`[${lines.join(',\n')}]`];
}

/** Formats a table; no line is longer than `width`, if there is one. */
export function alignedLines<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  withHead: boolean,
  width?: number,
): readonly string[] {
  const cells = rows.map((row) => columns.map(({ cell }) => printable(cell(row)) || '-'));
  const head = columns.map((column) => column.head);
  if (withHead) return fitTable(head, cells, width);
  const none = columns.map(() => '');
  return fitTable(none, cells, width).slice(1);
}

/** Formats labels as people write them, such as `role=web zone=a`. */
export function labelsOf(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
}

/** Formats how long ago a time was, such as `5m`, for people. */
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

/** Number of a digest's hexadecimal digits that are shown. */
const DIGITS = 12;

/** Shortens a digest. */
export function shortDigest(digest: string): string {
  return digest.replace(/^sha256:/, '').slice(0, DIGITS);
}
