import { ConfigError } from '../../lib/settings/config-error.ts';
import { isJsonObject } from '../../oci/json-object.ts';
import type { RegistryCredentials } from '../import/registry-token.ts';
import { dockerConfigFile, readDockerConfig } from './docker-config.ts';

/** What docker calls its own registry. */
const DOCKER_HUB = 'https://index.docker.io/v1/';

/**
 * The login that `docker login` has kept for a registry in `$DOCKER_CONFIG/config.json`, as docker reads it;
 * undefined when there is none, or it is with a credential helper. Throws ConfigError when the file is damaged.
 */
export async function dockerCredentials(
  host: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<RegistryCredentials | undefined> {
  const file = dockerConfigFile(env);
  const { auths } = await readDockerConfig(file);
  if (!isJsonObject(auths)) return undefined;
  const isHub = host === 'registry-1.docker.io' || host === 'docker.io';
  const entry = auths[host] ?? auths[`https://${host}`] ?? (isHub ? auths[DOCKER_HUB] : undefined);
  if (!isJsonObject(entry)) return undefined;
  if (typeof entry.identitytoken === 'string' && entry.identitytoken !== '') {
    return { kind: 'refresh-token', token: entry.identitytoken };
  }
  if (typeof entry.auth !== 'string' || entry.auth === '') return undefined;
  const pair = Buffer.from(entry.auth, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  if (colon < 1) throw new ConfigError(`${file} holds no user and password for ${host}: log in again`);
  return { kind: 'password', user: pair.slice(0, colon), password: pair.slice(colon + 1) };
}
