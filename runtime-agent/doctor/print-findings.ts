import type { Finding } from './finding.ts';

const MARKS = { good: 'ok  ', poorer: 'note', lacking: 'LACK' } as const;

/** The findings as lines for a terminal, with what follows from them at the end. */
export function printFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ part }) => part.length));
  const lines = findings.flatMap(({ part, grade, message, remedy }) => [
    `${MARKS[grade]}  ${part.padEnd(width)}  ${message}`,
    ...(remedy === undefined ? [] : [`      ${' '.repeat(width)}  -> ${remedy}`]),
  ]);
  const lacking = findings.filter(({ grade }) => grade === 'lacking').length;
  const end =
    lacking === 0
      ? 'The agent can run on this host.'
      : `The agent cannot run containers on this host before ${lacking === 1 ? 'that' : `these ${lacking} things`} marked LACK ${lacking === 1 ? 'is' : 'are'} mended.`;
  return `${lines.join('\n')}\n\n${end}\n`;
}
