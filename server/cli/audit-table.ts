import type { AuditEvent } from '../../storage/catalog/audit-catalog.ts';

const HEAD = ['TIME', 'WHO', 'FROM', 'ACTION', 'OUTCOME', 'WHAT'] as const;
/** Characters of a digest's hexadecimal digits: enough for people to tell it from others. */
const DIGITS = 12;

/** Events as the lines of a table for people. What others have written into them does nothing to a terminal. */
export function auditTable(events: readonly AuditEvent[]): readonly string[] {
  const rows = [HEAD, ...events.map(rowOf)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** Text without what terminals take for commands. */
export function harmless(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function rowOf(event: AuditEvent): readonly string[] {
  const { at, who = '-', address = '-', action, outcome } = event;
  const time = at.toISOString().replace('T', ' ').slice(0, 19);
  return [time, harmless(who), harmless(address), action, outcome, harmless(whatOf(event))];
}

function whatOf({ repository, tag, digest, detail, count }: AuditEvent): string {
  const [algorithm, hex = ''] = digest?.split(':') ?? [];
  const content = algorithm === undefined ? '' : `@${algorithm}:${hex.slice(0, DIGITS)}`;
  const name = `${repository ?? ''}${tag === undefined ? '' : `:${tag}`}${repository === undefined ? '' : content}`;
  const times = count > 1 ? `${count} times` : '';
  return [name, detail ?? '', times].filter((part) => part !== '').join('; ');
}
