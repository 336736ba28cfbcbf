import { type ParseArgsConfig, parseArgs } from 'node:util';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { nearest } from './nearest.ts';

/** The options of a command. Throws ConfigError when there are others, or arguments that are no options. */
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

/** The refusal of what parseArgs could not read. */
export function refusedOption(cause: unknown, options: NonNullable<ParseArgsConfig['options']>): ConfigError {
  const why = cause instanceof Error ? (cause.message.split(/[.\n]/)[0] ?? '') : String(cause);
  const unknown = /^Unknown option '(.*)'$/.exec(why)?.[1];
  if (unknown === undefined) return new ConfigError(`${why}: --help tells the options`, { cause });
  const known = [...Object.keys(options), 'help', 'version'].map((name) => `--${name}`);
  return new ConfigError(`the option "${unknown}" is not known: ${advice(unknown, known, '--help')}`, {
    cause,
  });
}

/** The end of a sentence that refuses `word`. */
export function advice(word: string, known: readonly string[], help: string): string {
  const meant = nearest(word, known);
  return meant === undefined ? `${help} tells those that are` : `did you mean "${meant}"?`;
}
