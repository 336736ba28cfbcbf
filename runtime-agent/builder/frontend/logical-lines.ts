import { type DockerfileText, dockerfileError, type Location } from './dockerfile-text.ts';
import { type Heredoc, type HeredocStart, heredocStarts } from './heredoc.ts';

/** One instruction: continued lines joined, comments removed, heredocs separate. */
export interface LogicalLine {
  /** In upper case. */
  readonly keyword: string;
  /** The text after the keyword, trimmed at its start. */
  readonly rest: string;
  readonly heredocs: readonly Heredoc[];
  readonly at: Location;
}

const COMMENT = /^\s*#/;
const TAKES_HEREDOCS = /^\s*(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\s/i;

/** Splits a Dockerfile into its instructions (reference, "Format"). Throws EngineError 'bad-request'. */
export function logicalLines(text: DockerfileText, escapeToken: '\\' | '`'): readonly LogicalLine[] {
  const continued = escapeToken === '\\' ? /(^|[^\\])\\[ \t]*$/ : /(^|[^`])`[ \t]*$/;
  const found: LogicalLine[] = [];
  for (let index = 0; index < text.lines.length; index += 1) {
    const first = text.lines[index] ?? '';
    if (first.trim() === '' || COMMENT.test(first)) continue;
    const line = index + 1;
    let joined = '';
    let part = first.trimStart();
    while (continued.test(part)) {
      joined += part.replace(continued, '$1');
      // Comments and empty lines do not end a continued line.
      do index += 1;
      while (index < text.lines.length && isSkipped(text.lines[index] ?? ''));
      part = text.lines[index] ?? '';
      if (index >= text.lines.length) break;
    }
    joined = (joined + part).trimEnd();
    const heredocs: Heredoc[] = [];
    if (TAKES_HEREDOCS.test(joined)) {
      for (const start of heredocStarts(joined, escapeToken)) {
        const { isApart, ...named } = start;
        const body = heredocBody(text, index + 1, start);
        if (body === undefined && isApart) continue;
        if (body === undefined) {
          const at = { text, line, endLine: Math.min(index + 1, text.lines.length) };
          throw dockerfileError(at, `unterminated heredoc: no line is ${JSON.stringify(start.name)}`);
        }
        heredocs.push({ ...named, content: body.content });
        index = body.end;
      }
    }
    const [before = '', keyword = ''] = /^(\S+)\s*/.exec(joined) ?? [];
    const rest = joined.slice(before.length);
    const endLine = Math.min(index + 1, text.lines.length);
    found.push({ keyword: keyword.toUpperCase(), rest, heredocs, at: { text, line, endLine } });
  }
  return found;
}

function isSkipped(line: string): boolean {
  return line.trim() === '' || COMMENT.test(line);
}

/** Returns the lines from `begin` (from 0) to the terminator of the heredoc, if there is one; `end` is its line. */
function heredocBody(
  text: DockerfileText,
  begin: number,
  start: HeredocStart,
): { readonly content: string; readonly end: number } | undefined {
  let content = '';
  for (let index = begin; index < text.lines.length; index += 1) {
    const whole = text.lines[index] ?? '';
    const line = start.stripsTabs ? whole.replace(/^\t+/, '') : whole;
    if (line === start.name) return { content, end: index };
    content += `${line}\n`;
  }
  return undefined;
}
