import { EngineError } from '../../errors.ts';

/** ctrl-p ctrl-q */
const DEFAULT = [16, 17];

/**
 * The bytes of detach keys as clients write them: `a`, or `ctrl-` and one of a-z @ [ \ ] ^ _, by commas; '' is the default
 * (docker attach, `--detach-keys`). Throws EngineError 'bad-request'.
 */
export function parseDetachKeys(text: string): readonly number[] {
  if (text === '') return DEFAULT;
  return text.split(',').map((key) => {
    const control = /^ctrl-(.)$/i.exec(key)?.[1]?.toLowerCase();
    if (control !== undefined && /^[a-z@[\\\]^_]$/.test(control)) {
      return control === '@' ? 0 : (control.toUpperCase().codePointAt(0) ?? 0) - 0x40;
    }
    if (/^[\x20-\x7e]$/.test(key)) return key.codePointAt(0) ?? 0;
    throw new EngineError('bad-request', `Invalid detach keys (${text.slice(0, 80)}) provided`);
  });
}

/** Looks for the keys in what a client types, across its pieces. */
export class DetachScanner {
  readonly #keys: readonly number[];
  /** Keys that have been typed and held back. */
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  /** What of the piece, and of what was held back, goes on to the process; `detached` when the keys were typed to their end. */
  scan(piece: Uint8Array): { readonly data: Uint8Array; readonly detached: boolean } {
    const passed: number[] = [];
    for (const byte of piece) {
      const typed = [...this.#keys.slice(0, this.#matched), byte];
      // The longest end of what was typed that the keys begin with.
      while (!typed.every((key, index) => key === this.#keys[index])) passed.push(typed.shift() as number);
      this.#matched = typed.length;
      if (this.#matched === this.#keys.length) return { data: Uint8Array.from(passed), detached: true };
    }
    return { data: Uint8Array.from(passed), detached: false };
  }
}
