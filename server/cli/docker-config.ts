import { randomUUID } from 'node:crypto';
import { mkdir, readFile, realpath, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { openPrivateFile } from '../../lib/files/private-file.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { isJsonObject, type JsonObject } from '../../oci/json.ts';

/** Returns the file of docker's settings and logins. Throws ConfigError when there is no home folder for it. */
export function dockerConfigFile(env: Readonly<Record<string, string | undefined>>): string {
  const file = findDockerConfigFile(env);
  if (file !== undefined) return file;
  throw new ConfigError('there is no home folder for logins: set HOME or DOCKER_CONFIG');
}

/** Returns the file of docker's settings and logins; undefined for a user without a home folder. */
export function findDockerConfigFile(env: Readonly<Record<string, string | undefined>>): string | undefined {
  if (env.DOCKER_CONFIG) return join(env.DOCKER_CONFIG, 'config.json');
  const home = findHome();
  return home && join(home, '.docker/config.json');
}

/** Returns the home folder. An empty HOME would mean the current folder, whose owner may be anybody. */
function findHome(): string | undefined {
  try {
    return homedir() || undefined;
  } catch {
    return undefined;
  }
}

/** Reads its content; empty when it does not exist. Throws ConfigError when it is damaged. */
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
  throw new ConfigError(`${file} must contain a JSON object`);
}

/** Atomically replaces a file (0600) with JSON, following a symbolic link. */
export async function replacePrivateFile(file: string, content: JsonObject): Promise<void> {
  const target = await realpath(file).catch(() => file);
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  const written = `${target}.${randomUUID()}`;
  try {
    await using handle = await openPrivateFile(written, 'wx');
    await handle.writeFile(`${JSON.stringify(content, undefined, '\t')}\n`);
    await handle.sync();
    await rename(written, target);
  } catch (error) {
    await rm(written, { force: true });
    throw error;
  }
}
