import type { Steps } from '../../../lib/pattern/steps.ts';

/**
 * Maximum characters of all expanded texts of a Dockerfile: variables can refer to each other, and double with each
 * line.
 */
const MAX_EXPANDED = 64 << 20;
/** Maximum characters of one text. */
const MAX_TEXT = 4 << 20;
/** Maximum steps that all patterns of one Dockerfile may take over values: about a tenth of a second. */
const MAX_STEPS = 5e7;
/** Maximum depth of variables within modifiers of variables. */
const MAX_DEPTH = 100;
/** Maximum characters of a pattern in a message. */
const MAX_SHOWN = 200;

/** An invalid word; the message has no location. */
export class WordError extends Error {
  override readonly name = 'WordError';
}

/** The remaining budget of one Dockerfile's expansions, so that none uses up the host's memory or time. */
export class ExpansionBudget {
  #left = MAX_EXPANDED;
  #steps = MAX_STEPS;

  /** Throws WordError. */
  spend(characters: number): void {
    this.#left -= characters;
    if (this.#left < 0)
      throw new WordError(`the file comes to more than ${MAX_EXPANDED} characters when it is expanded`);
  }

  /** Returns the remaining steps for a pattern; beyond them a WordError names the pattern. */
  stepsOf(pattern: string, value: string): Steps {
    return {
      take: (count) => {
        this.#steps -= count;
        if (this.#steps >= 0) return;
        const shown = pattern.length > MAX_SHOWN ? `${pattern.slice(0, MAX_SHOWN)}…` : pattern;
        throw new WordError(`the pattern ${shown} is too much for a value of ${value.length} characters`);
      },
    };
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
