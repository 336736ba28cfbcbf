import { readFileSync } from 'node:fs';
import { ConfigError } from './config-error.ts';

/**
 * What `berth serve` can be told, by the names that the configuration file has. A list may be given more than once, or
 * as text whose parts are separated by commas.
 */
const KINDS = {
  listen: 'text',
  data: 'text',
  database: 'text',
  storage: 'text',
  redirect: 'list',
  auth: 'text',
  challenge: 'text',
  tokenLife: 'text',
  tokenLimit: 'text',
  tokenService: 'list',
  tokenRealm: 'text',
  tokenIssuer: 'text',
  tokenJwks: 'text',
  tlsCert: 'text',
  tlsKey: 'text',
  httpRedirect: 'text',
  hsts: 'text',
  logLevel: 'text',
  metrics: 'text',
  deletes: 'text',
  readOnly: 'text',
  gcInterval: 'text',
  gcGrace: 'text',
  gcUntagged: 'text',
  auditRetention: 'text',
  accountCopies: 'text',
  webhookPrivate: 'text',
  pathPrefix: 'text',
  trustedProxy: 'list',
  shutdownDelay: 'text',
  watchdog: 'text',
  corsOrigin: 'list',
} as const satisfies Readonly<Record<string, 'text' | 'list'>>;

export type SettingName = keyof typeof KINDS;

/** Settings as text, as flags, environment and file give them. */
export type Settings = { readonly [Name in SettingName]?: string | undefined };

export const SETTING_NAMES = Object.keys(KINDS) as readonly SettingName[];

export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(KINDS, name);
}

export function isList(name: SettingName): boolean {
  return KINDS[name] === 'list';
}

/** The option of a setting without its dashes, such as `gc-grace`. */
export function optionOf(name: SettingName): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The environment variable of a setting, such as `BERTH_GC_GRACE`. */
export function variableOf(name: SettingName): string {
  return `BERTH_${optionOf(name).replaceAll('-', '_').toUpperCase()}`;
}

/** The settings that parseArgs has found, each under the name of its option. */
export function settingsOfOptions(
  values: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>,
): Settings {
  return settingsBy((name) => values[optionOf(name)]?.toString());
}

/** Returns each variable, or the content of the file that its `_FILE` variable names. Throws ConfigError. */
export function settingsOfEnvironment(env: Readonly<Record<string, string | undefined>>): Settings {
  return settingsBy((name) => readVariable(env, variableOf(name)));
}

/**
 * An environment variable, or the file that `NAME_FILE` names, without the end of its last line: a secret need not be in
 * an environment, which others may see. Throws ConfigError.
 */
export function readVariable(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
): string | undefined {
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

function settingsBy(read: (name: SettingName) => string | undefined): Settings {
  return Object.fromEntries(SETTING_NAMES.map((name) => [name, read(name)]));
}

/** The parts of a list. */
export function partsOf(text: string | undefined): readonly string[] {
  return (text ?? '').split(',').flatMap((part) => part.trim() || []);
}
