/** Characters that all texts of one Dockerfile may come to: variables can name each other, and double with each line. */
const MAX_EXPANDED = 64 << 20;
/** Of one text. */
const MAX_TEXT = 4 << 20;
/** Steps that a pattern may take over a value. */
const MAX_STEPS = 1e8;
/** Variables within the modifiers of variables. */
const MAX_DEPTH = 100;

/** A word that cannot be read; the message has no location. */
export class WordError extends Error {
  override readonly name = 'WordError';
}

/** What the expansions of one Dockerfile may still take, so that none takes the host's memory or time. */
export class ExpansionBudget {
  #left = MAX_EXPANDED;

  /** Throws WordError. */
  spend(characters: number): void {
    this.#left -= characters;
    if (this.#left < 0)
      throw new WordError(`the file comes to more than ${MAX_EXPANDED} characters when it is expanded`);
  }
}

/** Throws WordError. */
export function checkLength(length: number): void {
  if (length > MAX_TEXT) throw new WordError(`it comes to more than ${MAX_TEXT} characters`);
}

/** Throws WordError. */
export function checkDepth(depth: number): void {
  if (depth > MAX_DEPTH) throw new WordError(`variables are nested more than ${MAX_DEPTH} deep`);
}

/** `tries` is how often the pattern is begun, as a power of the value's length. Throws WordError. */
export function checkPattern(pattern: string, value: string, tries: 0 | 1): void {
  const stars = pattern.match(/\*+/g)?.length ?? 0;
  if (value.length ** (stars + tries) > MAX_STEPS) {
    throw new WordError(`the pattern ${pattern} is too much for a value of ${value.length} characters`);
  }
}
