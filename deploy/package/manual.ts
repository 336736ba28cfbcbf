import type { Program } from '../../lib/terminal/completion.ts';

/** A program as its manual page describes it. */
export interface Manual extends Program {
  readonly version: string;
  /** One line. */
  readonly about: string;
  /** Exit codes and their meanings. */
  readonly exitCodes: Readonly<Record<string, string>>;
}

/** The page of man(1), in troff: the text of the help, as it is on a terminal. */
export function manPage({ about, commands, exitCodes, help, program, version }: Manual): string {
  const parts = [
    `.TH ${program.toUpperCase()} 1 "" "Berth ${version}" "Berth"`,
    '.SH NAME',
    `${program} \\- ${escaped(about)}`,
    '.SH DESCRIPTION',
    literal(help),
    ...Object.entries(commands).flatMap(([name, text]) => [
      `.SH ${program.toUpperCase()} ${name.toUpperCase()}`,
      literal(text),
    ]),
    '.SH EXIT STATUS',
    ...Object.entries(exitCodes).flatMap(([code, text]) => ['.TP', `.B ${code}`, escaped(text)]),
    '.SH SEE ALSO',
    `/usr/share/doc/${program}/README.md`,
  ];
  return `${parts.join('\n')}\n`;
}

function literal(text: string): string {
  const lines = text.trimEnd().split('\n');
  return ['.nf', ...lines.map(escaped), '.fi'].join('\n');
}

/** A dot or an apostrophe at the beginning of a line would be a request to troff. */
function escaped(line: string): string {
  return line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/, '\\&');
}
