import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';
import { boundExpressionSize } from './expression-size.ts';
import type { Steps } from './steps.ts';

/** A regular expression that is invalid or too large. The message is Go's. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';
  /** Instructions compiled before it was refused. */
  readonly size: number;

  constructor(
    message: string,
    { size = 0, cause }: { readonly size?: number; readonly cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.size = size;
  }
}

/** Maximum characters of an expression. */
const MAX_LENGTH = 1024;
/** Maximum instructions: a match takes at most this many steps per character. */
const MAX_SIZE = 1000;
/** Characters with a meaning; an expression without them is searched for as text. */
const SPECIAL = /[\\^$.|?*+()[\]{}]/;

const require = createRequire(import.meta.url);

/**
 * A regular expression in Go's syntax (RE2), which may come from a client: the engine follows all alternatives at once
 * and never backtracks. The first expression that needs the engine loads it.
 */
export class Expression {
  /** Number of instructions. */
  readonly size: number;
  readonly #source: string;
  /** Undefined for plain text. */
  readonly #compiled: RE2JS | undefined;

  /** Throws ExpressionError. */
  constructor(source: string) {
    if (source.length > MAX_LENGTH) throw new ExpressionError('expression too large');
    // Checked before compiling, which takes memory and time for each instruction. Invalid expressions fail below.
    if (boundExpressionSize(source) > 3 * MAX_SIZE) throw new ExpressionError('expression too large');
    this.#source = source;
    this.#compiled = SPECIAL.test(source) ? compile(source) : undefined;
    this.size = this.#compiled?.programSize() ?? 1;
    if (this.size > MAX_SIZE) throw new ExpressionError('expression too large', { size: this.size });
  }

  /** Reports whether any part of the text matches. */
  test(text: string, steps?: Steps): boolean {
    steps?.take(this.size * (text.length + 1));
    return this.#compiled?.test(text) ?? text.includes(this.#source);
  }
}

function compile(source: string): RE2JS {
  const { RE2JS: Engine } = require('re2js') as typeof import('re2js');
  try {
    return Engine.compile(source);
  } catch (cause) {
    throw new ExpressionError((cause as Error).message.replace(/^error parsing regexp: /, ''), { cause });
  }
}
