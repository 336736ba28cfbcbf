import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';
import { boundExpressionSize } from './expression-size.ts';
import type { Steps } from './steps.ts';

/** A regular expression that cannot be compiled, or is too large. The message is Go's. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';
  /** Instructions that it was compiled to before it was refused. */
  readonly size: number;

  constructor(
    message: string,
    { size = 0, cause }: { readonly size?: number; readonly cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.size = size;
  }
}

/** Characters that an expression may have. */
const MAX_LENGTH = 1024;
/** Instructions that it may be compiled to: a match takes at most this many steps for each character. */
const MAX_SIZE = 1000;
/** Go's regexp has no name for these, so an expression without them is searched for as text. */
const SPECIAL = /[\\^$.|?*+()[\]{}]/;

const require = createRequire(import.meta.url);

/**
 * A regular expression in Go's syntax (RE2), which a client may send: its engine follows all ways to match at once and
 * never tries one again. The engine is loaded with the first expression that needs it.
 */
export class Expression {
  /** Instructions that it was compiled to. */
  readonly size: number;
  readonly #source: string;
  /** Undefined for plain text. */
  readonly #compiled: RE2JS | undefined;

  /** Throws ExpressionError. */
  constructor(source: string) {
    if (source.length > MAX_LENGTH) throw new ExpressionError('expression too large');
    // Before it is compiled, which takes memory and time for each instruction. What cannot be compiled is told below.
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
