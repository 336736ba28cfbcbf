import { readFileSync } from 'node:fs';
import { ConfigError } from './config-error.ts';
import { isList, isSettingName, SETTING_NAMES, type Settings } from './settings.ts';

/** The settings of a JSON file. Throws ConfigError. */
export function readConfigFile(path: string): Settings {
  const value = readJson(path);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigError(`the configuration file ${path} must hold a JSON object`);
  }
  const settings: Record<string, string> = {};
  for (const [key, entry] of Object.entries(value)) {
    if (!isSettingName(key)) {
      throw new ConfigError(
        `the configuration file ${path} has the unknown key "${key}": known are ${SETTING_NAMES.join(', ')}`,
      );
    }
    const parts: readonly unknown[] = isList(key) && Array.isArray(entry) ? entry : [entry];
    if (!parts.every((part) => typeof part === 'string')) {
      throw new ConfigError(
        `the configuration file ${path}: "${key}" must be text, as the option has it, such as "24h" or "on"`,
      );
    }
    settings[key] = parts.join(',');
  }
  return settings;
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
