import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { isJsonObject, type JsonObject } from '../../oci/json-object.ts';

/** Where docker keeps its settings and logins. */
export function dockerConfigFile(env: Readonly<Record<string, string | undefined>>): string {
  return join(env.DOCKER_CONFIG || join(homedir(), '.docker'), 'config.json');
}

/** What is in it; nothing when there is none. Throws ConfigError when it is damaged. */
export async function readDockerConfig(file: string): Promise<JsonObject> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
  try {
    const config: unknown = JSON.parse(text);
    if (isJsonObject(config)) return config;
  } catch (cause) {
    throw new ConfigError(`${file} is not JSON`, { cause });
  }
  throw new ConfigError(`${file} must hold a JSON object`);
}
