import { EngineError } from '../../errors.ts';
import type { RegistryCredentials } from '../../images/images.ts';
import { isJsonObject } from '../http/json-body.ts';
import { decodeRegistryAuth } from './registry-auth.ts';

/** Names that docker's configuration has for Docker Hub. */
const HUB = new Set(['https://index.docker.io/v1/', 'index.docker.io', 'registry-1.docker.io']);

/**
 * The header `X-Registry-Config` of builds: base64url of a JSON object from registries to what X-Registry-Auth holds.
 * Throws EngineError 'bad-request'; no message repeats what the header holds.
 */
export function decodeRegistryConfig(header: string | undefined): ReadonlyMap<string, RegistryCredentials> {
  const found = new Map<string, RegistryCredentials>();
  if (header === undefined || header === '') return found;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'));
  } catch {
    throw new EngineError('bad-request', 'invalid X-Registry-Config header: it is not base64url of JSON');
  }
  if (!isJsonObject(value)) {
    throw new EngineError('bad-request', 'invalid X-Registry-Config header: expected a JSON object');
  }
  for (const [host, auth] of Object.entries(value)) {
    const credentials = decodeRegistryAuth(Buffer.from(JSON.stringify(auth)).toString('base64url'));
    if (credentials !== undefined) found.set(HUB.has(host) ? 'docker.io' : host, credentials);
  }
  return found;
}
