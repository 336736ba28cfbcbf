import type { Setting, SettingsTable } from './settings.ts';

/** Width of help, columns. */
const WIDTH = 100;
/** The column at which the text of an option begins. */
const TEXT_COLUMN = 26;

/** Returns the part of `--help` that lists the settings: each option with its text, its variable and its default. */
export function settingsHelp(table: SettingsTable): string {
  return Object.values(table)
    .map((setting) => optionHelp(usageOf(setting), sentenceOf(setting)))
    .join('');
}

/** Returns one option of `--help`, with its text in the usual column. */
export function optionHelp(usage: string, text: string): string {
  const lines = wrap(text, WIDTH - TEXT_COLUMN);
  const head = `  ${usage}`.padEnd(TEXT_COLUMN);
  const [first, ...others] = !head.endsWith(' ')
    ? [head, ...indented(lines)]
    : [head + lines[0], ...indented(lines.slice(1))];
  return [first, ...others].map((line) => `${line}\n`).join('');
}

/** Returns the settings as a Markdown table, for the reference. */
export function settingsReference(table: SettingsTable): string {
  const rows = Object.entries(table).map(([key, setting]) => [
    cell(`\`${usageOf(setting)}\``),
    `\`${setting.variable}\``,
    `\`${key}\``,
    cell(setting.usual ?? ''),
    cell(setting.help),
  ]);
  return markdownTable(['Option', 'Variable', 'Key', 'Default', 'What it does'], rows);
}

/** Renders a table in Markdown with aligned columns. Cells are Markdown without line breaks. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, index) =>
    Math.max(title.length, ...rows.map((row) => row[index]?.length ?? 0)),
  );
  const lines = [head, widths.map((width) => '-'.repeat(width)), ...rows];
  return lines
    .map((row) => `| ${row.map((text, index) => text.padEnd(widths[index] ?? 0)).join(' | ')} |\n`)
    .join('');
}

function usageOf({ option, placeholder }: Setting): string {
  return placeholder === '' ? `--${option}` : `--${option} ${placeholder}`;
}

function sentenceOf({ help, variable, usual, kind }: Setting): string {
  const repeated = kind === 'list' ? '; may be repeated' : '';
  return `${help}${repeated} (${variable}${usual === undefined ? '' : `; default ${usual}`})`;
}

function indented(lines: readonly string[]): readonly string[] {
  return lines.map((line) => `${' '.repeat(TEXT_COLUMN)}${line}`);
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
