import { readFileSync } from 'node:fs';
import {
  type Environment,
  readEnvironment,
  readSettingsFile,
  type Setting,
  type SettingsTable,
} from '../settings/settings.ts';
import { isSecretName, REMOVED, secretsOfUrl, shownUrl } from './redactor.ts';

type Values = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

/** Where the settings of a program come from. */
export interface SettingSources {
  readonly table: SettingsTable;
  readonly flags: Values;
  readonly env: Environment;
  /** The path of the configuration file. */
  readonly file: string | undefined;
}

/** A setting in a bundle. */
interface ShownSetting {
  readonly value: string | boolean | readonly string[];
  readonly from: 'option' | 'environment' | 'file';
}

/** Settings of all sources, without secrets, and why a source could not be read. */
export interface ShownSettings {
  readonly settings: Readonly<Record<string, ShownSetting>>;
  /** Names of other variables of the program that are set. */
  readonly otherVariables: readonly string[];
  readonly problems: readonly string[];
}

/** Reads all settings, as well as they can be read; `secrets` are those that they contain. */
export function readShownSettings({ table, flags, env, file }: SettingSources): {
  readonly shown: ShownSettings;
  readonly secrets: readonly string[];
} {
  const problems: string[] = [];
  const attempt = (read: () => Values): Values => {
    try {
      return read();
    } catch (error) {
      // A message about JSON repeats a piece of the text.
      const [sentence = ''] = (error as Error).message.split(' is not JSON');
      problems.push(sentence === (error as Error).message ? sentence : `${sentence} is not JSON`);
      return {};
    }
  };
  const sources = [
    ['file', file === undefined ? {} : attempt(() => readSettingsFile(table, file) as Values)],
    ['environment', attempt(() => readEnvironment(table, env) as Values)],
    ['option', flags],
  ] as const;
  const settings: Record<string, ShownSetting> = {};
  const secrets: string[] = [];
  for (const [from, values] of sources) {
    for (const [key, value] of Object.entries(values)) {
      const isSecret = table[key]?.isSecret;
      if (value === undefined || table[key] === undefined) continue;
      settings[key] = { from, value: withoutSecrets(value, isSecret) };
      if (isSecret !== undefined)
        secrets.push(...[value].flat().flatMap((text) => secretsIn(String(text), isSecret)));
    }
  }
  const variables = new Set(Object.values(table).map(({ variable }) => variable));
  const otherVariables = Object.keys(env)
    .filter((name) => /^(?:BERTH|AWS|OTEL|PG|NODE)_?/.test(name) && !variables.has(name))
    .sort();
  return {
    shown: { settings, otherVariables, problems },
    secrets: [...secrets, ...secretsOfEnvironment(env, table)],
  };
}

/** Returns the secrets of a value; those of a list of NAME=VALUE are its values. */
function secretsIn(text: string, kind: NonNullable<Setting['isSecret']>): readonly string[] {
  if (kind === 'url') return secretsOfUrl(text);
  const values = text.split(',').map((pair) => pair.slice(pair.indexOf('=') + 1).trim());
  return [text, ...values, ...values.map((value) => value.split(/[ ]|%20/).at(-1) ?? '')];
}

function withoutSecrets(value: string | boolean | readonly string[], kind: Setting['isSecret']) {
  if (kind === 'all') return REMOVED;
  if (typeof value === 'boolean' || kind === undefined) return value;
  return typeof value === 'string' ? shownUrl(value) : value.map(shownUrl);
}

/** Values of variables with the name of a secret, content of the files that they name, and passwords in URLs. */
function secretsOfEnvironment(env: Environment, table: SettingsTable): readonly string[] {
  const plain = new Set(
    Object.values(table).flatMap(({ isSecret, variable }) =>
      isSecret ? [] : [variable, `${variable}_FILE`],
    ),
  );
  return Object.entries(env).flatMap(([name, value = '']) => {
    if (plain.has(name)) return [];
    if (name.endsWith('_FILE')) return secretsOfFile(value);
    const inUrl = value.includes('@') ? secretsOfUrl(value) : [];
    return isSecretName(name) ? [value, ...inUrl] : inUrl;
  });
}

/** Returns a short file, and its lines, as secrets; nothing if it cannot be read. */
function secretsOfFile(path: string): readonly string[] {
  try {
    const text = readFileSync(path, 'utf8')
      .slice(0, 64 * 1024)
      .trim();
    return [text, ...secretsOfUrl(text)];
  } catch {
    return [];
  }
}
