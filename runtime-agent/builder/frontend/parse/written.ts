import type { EngineError } from '../../../errors.ts';
import { dockerfileError, type Location } from '../dockerfile-text.ts';
import type { Heredoc } from '../heredoc.ts';
import type { Flag } from '../split-flags.ts';
import { suggestion } from '../suggest.ts';

/** An instruction with its flags split off, the input of its parser. */
export interface Written {
  readonly keyword: string;
  readonly flags: readonly Flag[];
  readonly rest: string;
  readonly heredocs: readonly Heredoc[];
  readonly escapeToken: '\\' | '`';
  readonly at: Location;
}

/** Returns the failure of one instruction. */
export function refuse(written: Written, message: string): EngineError {
  return dockerfileError(written.at, `${written.keyword}: ${message}`);
}

/** Throws for a heredoc whose name cannot be a file name. */
export function checkFileName(written: Written, { name }: Heredoc): void {
  if (name !== '.' && name !== '..' && !/[/\0]/.test(name)) return;
  throw refuse(
    written,
    `the heredoc <<${name} cannot be a file: its name is the name of the file, without "/", and not "." or ".."`,
  );
}

/** Reads flags by name. Throws for a flag that is unknown, repeated, or without its value. */
export class FlagReader {
  readonly #written: Written;
  readonly #values = new Map<string, (string | undefined)[]>();

  constructor(written: Written, known: readonly string[], repeated: readonly string[] = []) {
    this.#written = written;
    for (const { name, value } of written.flags) {
      if (!known.includes(name)) {
        const hint = suggestion(
          `--${name}`,
          known.map((option) => `--${option}`),
        );
        throw refuse(written, `unknown flag: --${name}${hint}`);
      }
      const values = this.#values.get(name) ?? [];
      if (values.length > 0 && !repeated.includes(name))
        throw refuse(written, `duplicate flag specified: --${name}`);
      this.#values.set(name, [...values, value]);
    }
  }

  text(name: string): string | undefined {
    return this.texts(name)[0];
  }

  texts(name: string): readonly string[] {
    return (this.#values.get(name) ?? []).map((value) => {
      if (value === undefined || value === '') {
        throw refuse(this.#written, `the flag --${name} needs a value: --${name}=…`);
      }
      return value;
    });
  }

  boolean(name: string): boolean | undefined {
    const values = this.#values.get(name);
    if (values === undefined) return undefined;
    const [value = 'true'] = values;
    if (value === 'true') return true;
    if (value === 'false') return false;
    throw refuse(this.#written, `expecting boolean value for flag --${name}, not: ${value.slice(0, 80)}`);
  }
}
