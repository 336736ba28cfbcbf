/** Where a value of a Compose file is: keys and indexes from the root, such as `["services", "web", "ports", 0]`. */
export type ComposePath = readonly (string | number)[];

/** Of a key in the text, both from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** One thing that is wrong in a Compose file. The position is there if the text was at hand. */
export interface ComposeProblem extends Partial<Position> {
  readonly path: ComposePath;
  readonly message: string;
}

/** Maximum problems that are told at once. */
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

/** Returns `line 4, column 5: services.web.ports[0]: …`, without what is not known. */
export function describeProblem({ path, message, line, column }: ComposeProblem): string {
  const at = line === undefined ? '' : `line ${line}, column ${column ?? 1}: `;
  return `${at}${path.length === 0 ? '' : `${describePath(path)}: `}${message}`;
}

/** Returns `services.web.ports[0]`. */
export function describePath(path: ComposePath): string {
  return path
    .map((part, index) =>
      typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${shorten(part)}`,
    )
    .join('');
}

/** Returns a text as a message may quote it: at most 80 characters, without control characters. */
export function quote(text: string): string {
  return JSON.stringify(shorten(text));
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** Collects what is wrong, so that a person sees it all at once. */
export class ProblemList {
  readonly #problems: ComposeProblem[] = [];

  /** Throws ComposeError once there are MOST_PROBLEMS: nobody reads more, and to look for them takes time. */
  add(path: ComposePath, message: string): void {
    this.#problems.push({ path, message });
    if (this.#problems.length >= MOST_PROBLEMS) this.throwIfAny();
  }

  /** Throws ComposeError if anything was added. */
  throwIfAny(): void {
    if (this.#problems.length > 0) throw new ComposeError(this.#problems);
  }
}
