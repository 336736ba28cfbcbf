/** The path of a value in a Compose file: keys and indexes from the root, such as `["services", "web", "ports", 0]`. */
export type ComposePath = readonly (string | number)[];

/** Position of a key in the text, both from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** One problem in a Compose file. It has a position if the text is available. */
export interface ComposeProblem extends Partial<Position> {
  readonly path: ComposePath;
  readonly message: string;
}

/** Maximum problems reported at once. */
const MOST_PROBLEMS = 20;

/** A Compose file that cannot be deployed; `problems` has at least one. */
export class ComposeError extends Error {
  override readonly name = 'ComposeError';
  readonly code = 'compose-invalid';
  readonly problems: readonly ComposeProblem[];

  constructor(problems: readonly ComposeProblem[]) {
    super(problems.map(describeProblem).join('\n'));
    this.problems = problems;
  }
}

/** Formats `line 4, column 5: services.web.ports[0]: …`, without unknown parts. */
export function describeProblem({ path, message, line, column }: ComposeProblem): string {
  const at = line === undefined ? '' : `line ${line}, column ${column ?? 1}: `;
  return `${at}${path.length === 0 ? '' : `${describePath(path)}: `}${message}`;
}

/** Formats `services.web.ports[0]`. */
export function describePath(path: ComposePath): string {
  return path
    .map((part, index) =>
      typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${shorten(part)}`,
    )
    .join('');
}

/** Quotes a text for a message: at most 80 characters, without control characters. */
export function quote(text: string): string {
  return JSON.stringify(shorten(text));
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** Collects problems, so that a person sees all of them at once. */
export class ProblemList {
  readonly #problems: ComposeProblem[] = [];

  /** Throws ComposeError at MOST_PROBLEMS: more would take time and help nobody. */
  add(path: ComposePath, message: string): void {
    this.#problems.push({ path, message });
    if (this.#problems.length >= MOST_PROBLEMS) this.throwIfAny();
  }

  /** Throws ComposeError if anything was added. */
  throwIfAny(): void {
    if (this.#problems.length > 0) throw new ComposeError(this.#problems);
  }
}
