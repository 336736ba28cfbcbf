import { readFileSync } from 'node:fs';
import type { ParseArgsConfig } from 'node:util';
import { ConfigError } from './config-error.ts';

/**
 * One setting of a program. Its command-line option, environment variable, key in the configuration file, help and line in the
 * reference are all made from it.
 */
export interface Setting {
  /** A `flag` is an option without a value: true or false in the file, yes or no in the environment. */
  readonly kind: 'text' | 'list' | 'flag';
  /** The option without its dashes, such as `gc-grace`. */
  readonly option: string;
  /** The environment variable, such as `BERTH_GC_GRACE`. */
  readonly variable: string;
  /** Placeholder of the value in help, such as `HOST:PORT`; '' for a flag. */
  readonly placeholder: string;
  /** Help text, without a capital and a full stop. */
  readonly help: string;
  /** The default as help shows it; absent if `help` mentions it. */
  readonly usual?: string;
  /** Separates the parts of a list in the environment variable and, unless `isPath`, in the option. */
  readonly separator?: RegExp;
  /** What reports must not show: credentials in the URL that the value is, or all of it. */
  readonly isSecret?: 'url' | 'all';
  /** Whether the parts are paths, which may contain the separator when the option is repeated. */
  readonly isPath?: boolean;
}

/** Returns functions that declare settings. Their variables are `prefix` and the option's name in capitals. */
export function settingsOf(prefix: string) {
  const declare =
    <Kind extends Setting['kind']>(kind: Kind) =>
    (option: string, placeholder: string, help: string, usual?: string) => ({
      kind,
      option,
      variable: `${prefix}_${option.replaceAll('-', '_').toUpperCase()}`,
      placeholder,
      help,
      ...(usual !== undefined && { usual }),
    });
  return { text: declare('text'), list: declare('list'), flag: declare('flag') };
}

/** The settings of a program by their keys in its configuration file, in the order of its help. */
export type SettingsTable = Readonly<Record<string, Setting>>;

/** The settings from one source; absent ones are not set there. */
export type SettingValues<Table extends SettingsTable> = {
  readonly [Key in keyof Table]?:
    | (Table[Key]['kind'] extends 'list'
        ? readonly string[]
        : Table[Key]['kind'] extends 'flag'
          ? boolean
          : string)
    | undefined;
};

export type Environment = Readonly<Record<string, string | undefined>>;

/** The settings as the options of parseArgs. */
export function optionsOf(table: SettingsTable): NonNullable<ParseArgsConfig['options']> {
  return Object.fromEntries(
    Object.values(table).map(({ option, kind }) => [
      option,
      kind === 'flag' ? { type: 'boolean' } : { type: 'string', multiple: kind === 'list' },
    ]),
  );
}

/** Extracts the settings from the result of parseArgs. */
export function readOptions<Table extends SettingsTable>(
  table: Table,
  values: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>,
): SettingValues<Table> {
  return valuesBy(table, (setting) => {
    const value = values[setting.option];
    if (setting.kind !== 'list' || value === undefined) return value;
    const parts = (Array.isArray(value) ? value : [value]).map(String);
    return setting.isPath ? parts : parts.flatMap((part) => partsOf(part, setting));
  });
}

/**
 * Reads the variables of the settings, or the files that `NAME_FILE` variables name. An empty variable counts as
 * absent. Throws ConfigError.
 */
export function readEnvironment<Table extends SettingsTable>(
  table: Table,
  env: Environment,
): SettingValues<Table> {
  return valuesBy(table, (setting) => {
    const text = readVariable(env, setting.variable);
    if (text === undefined || text === '') return undefined;
    if (setting.kind === 'list') return partsOf(text, setting);
    return setting.kind === 'flag' ? yesOrNo(text, setting.variable) : text;
  });
}

/**
 * Reads a variable, or the file that `NAME_FILE` names, without its last line break: a file keeps a secret out of the
 * environment, which other users may see. Throws ConfigError.
 */
export function readVariable(env: Environment, name: string): string | undefined {
  const [value, file] = [env[name], env[`${name}_FILE`]];
  if (file === undefined) return value;
  if (value !== undefined) throw new ConfigError(`${name} and ${name}_FILE are both set: choose one`);
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new ConfigError(`the file ${file}, which ${name}_FILE names, cannot be read (${code})`, { cause });
  }
}

/** Reads a configuration file: a JSON object with the keys of the table. Throws ConfigError. */
export function readSettingsFile<Table extends SettingsTable>(
  table: Table,
  path: string,
): SettingValues<Table> {
  const value = readJson(path);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigError(`the configuration file ${path} must contain a JSON object`);
  }
  const entries = new Map(Object.entries(value));
  for (const key of entries.keys()) {
    if (Object.hasOwn(table, key)) continue;
    const known = Object.keys(table).join(', ');
    throw new ConfigError(
      `the configuration file ${path} has the unknown key "${key}": the known ones are ${known}`,
    );
  }
  return valuesBy(table, (setting, key) => {
    const entry = entries.get(key);
    if (entry === undefined) return undefined;
    if (setting.kind === 'flag' ? typeof entry === 'boolean' : typeof entry === 'string') {
      return typeof entry === 'string' && setting.kind === 'list' ? partsOf(entry, setting) : entry;
    }
    if (setting.kind === 'list') {
      if (typeof entry === 'string') return partsOf(entry, setting);
      if (Array.isArray(entry) && entry.every((part) => typeof part === 'string')) return entry;
    }
    throw new ConfigError(`the configuration file ${path}: "${key}" must be ${FORMS[setting.kind]}`);
  });
}

const FORMS = {
  text: 'text in the syntax of the option, such as "24h" or "on"',
  list: 'a list of texts',
  flag: 'true or false',
} as const;

/** Splits a list in one text. */
function partsOf(text: string, { separator = /,/ }: Setting): readonly string[] {
  return text.split(separator).flatMap((part) => part.trim() || []);
}

function valuesBy<Table extends SettingsTable>(
  table: Table,
  read: (setting: Setting, key: string) => unknown,
): SettingValues<Table> {
  const values = Object.entries(table).map(([key, setting]) => [key, read(setting, key)] as const);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined)) as SettingValues<Table>;
}

function yesOrNo(text: string, name: string): boolean {
  if (/^(1|true|yes)$/.test(text)) return true;
  if (/^(0|false|no)$/.test(text)) return false;
  throw new ConfigError(`${name} is "${text}": it takes yes or no`);
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    const why =
      cause instanceof SyntaxError
        ? `is not JSON (${cause.message})`
        : `cannot be read (${(cause as NodeJS.ErrnoException).code})`;
    throw new ConfigError(`the configuration file ${path} ${why}`, { cause });
  }
}
