/** Formats a line of CSV (RFC 4180). */
export function csvLine(cells: readonly (string | number | undefined)[]): string {
  return `${cells.map(cellOf).join(',')}\r\n`;
}

/**
 * Escapes a cell: spreadsheets read one that begins with certain characters as a formula, which a stranger may have
 * written.
 */
function cellOf(value: string | number | undefined): string {
  const text = String(value ?? '');
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
