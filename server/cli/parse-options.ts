import { type ParseArgsConfig, parseArgs } from 'node:util';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { misusedOption, unknownOption } from '../../lib/settings/misused-option.ts';

/** Parses the options of a command. Throws ConfigError for unknown options, and for arguments. */
export function parseOptions<Options extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: Options,
) {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
  } catch (cause) {
    throw refusedOption(cause, options);
  }
}

/** Parses the options and words of a command, whose `usage` has its words in capitals. Throws ConfigError. */
export function parseWords<Options extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: Options,
  usage: string,
) {
  const { values, positionals: words } = parsedOf(args, options);
  const names = usage.split(' ').filter((word) => /^[A-Z]/.test(word));
  if (words.length !== names.length) throw new ConfigError(`write: berth ${usage}`);
  return { values, words };
}

function parsedOf<Options extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: Options,
) {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: true });
  } catch (cause) {
    throw refusedOption(cause, options);
  }
}

/** The error for options that parseArgs could not read. */
export function refusedOption(cause: unknown, options: NonNullable<ParseArgsConfig['options']>): ConfigError {
  const unknown = unknownOption(cause);
  if (unknown === undefined) {
    return new ConfigError(`${misusedOption(cause)}: --help lists the options`, { cause });
  }
  const known = [...Object.keys(options), 'help', 'version'].map((name) => `--${name}`);
  return new ConfigError(`the option "${unknown}" is not known: ${advice(unknown, known, '--help')}`, {
    cause,
  });
}

/** Returns the end of a message that refuses `word`. */
export function advice(word: string, known: readonly string[], help: string): string {
  const meant = nearest(word, known);
  return meant === undefined ? `${help} lists the known ones` : `did you mean "${meant}"?`;
}

/** Returns the most similar of `words`, if it is similar enough. */
function nearest(word: string, words: readonly string[]): string | undefined {
  const distances = words.map((candidate) => ({ candidate, distance: distanceOf(word, candidate) }));
  const [best] = distances.sort((one, other) => one.distance - other.distance);
  if (best === undefined || best.distance > Math.max(2, word.length / 3)) return undefined;
  return best.candidate;
}

/** Levenshtein distance: characters to add, remove or replace. */
function distanceOf(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [index, character] of [...one.slice(0, 100)].entries()) {
    const next = [index + 1];
    for (let column = 1; column <= other.length; column += 1) {
      const replaced = (row[column - 1] ?? 0) + (other[column - 1] === character ? 0 : 1);
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

/** Options that locate a registry's data; loadConfig has the others. */
export const STORAGE_OPTIONS = {
  data: { type: 'string' },
  database: { type: 'string' },
  storage: { type: 'string' },
  config: { type: 'string' },
} as const;
