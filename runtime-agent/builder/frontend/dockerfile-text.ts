import { EngineError } from '../../errors.ts';

/** A Dockerfile as it was read, for messages that show its lines. */
export interface DockerfileText {
  /** As the client named it. */
  readonly name: string;
  readonly lines: readonly string[];
}

/** A position in a Dockerfile; lines count from 1, `endLine` is the last one. */
export interface Location {
  readonly text: DockerfileText;
  readonly line: number;
  readonly endLine: number;
}

/** Maximum lines of one instruction in a message; a heredoc may be long. */
const MAX_SHOWN = 12;
/** Maximum characters of each line. */
const MAX_LINE = 200;

/** Returns an EngineError 'bad-request' that names file and line and shows the lines. */
export function dockerfileError(at: Location, message: string, options?: ErrorOptions): EngineError {
  return new EngineError('bad-request', locatedMessage(at, message), options);
}

/** Returns `Dockerfile:3: message`, followed by the lines in question. */
export function locatedMessage({ text, line, endLine }: Location, message: string): string {
  const shown = text.lines.slice(line - 1, Math.min(endLine, line - 1 + MAX_SHOWN));
  const width = String(line + shown.length - 1).length;
  const lines = shown.map((content, index) => {
    const start = content.length > MAX_LINE ? `${content.slice(0, MAX_LINE)}…` : content;
    return `  ${String(line + index).padStart(width)} | ${start}`;
  });
  return [`${text.name}:${line}: ${message}`, ...lines].join('\n');
}

/** Splits a Dockerfile into lines, without a byte order mark and carriage returns. */
export function dockerfileText(name: string, content: string): DockerfileText {
  const lines = content.replace(/^\uFEFF/, '').split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return { name, lines };
}
