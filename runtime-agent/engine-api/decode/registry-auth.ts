import { isJsonObject, JsonFields, parseJson } from '../../../lib/json/json-fields.ts';
import type { RegistryCredentials } from '../../../oci/distribution/credentials/registry-credentials.ts';
import { EngineError } from '../../errors.ts';

/** Names of Docker Hub in docker's configuration. */
const HUB = new Set(['https://index.docker.io/v1/', 'index.docker.io', 'registry-1.docker.io']);

/**
 * Decodes the header `X-Registry-Auth`: base64url, with or without padding, of a JSON object (Engine API,
 * "Authentication"). Returns undefined if it is absent or has no credentials. Throws EngineError 'bad-request'; no
 * message quotes the header.
 */
export function decodeRegistryAuth(header: string | undefined): RegistryCredentials | undefined {
  return readCredentials(decodeHeader('X-Registry-Auth', header));
}

/**
 * Decodes the header `X-Registry-Config` of builds: base64url of a JSON object that maps registries to the content of
 * X-Registry-Auth. Throws EngineError 'bad-request'; no message quotes the header.
 */
export function decodeRegistryConfig(header: string | undefined): ReadonlyMap<string, RegistryCredentials> {
  const found = new Map<string, RegistryCredentials>();
  for (const [host, value] of Object.entries(decodeHeader('X-Registry-Config', header))) {
    const credentials = readCredentials(value);
    if (credentials !== undefined) found.set(HUB.has(host) ? 'docker.io' : host, credentials);
  }
  return found;
}

/** Returns an object without keys if the header is absent or null. */
function decodeHeader(name: string, header: string | undefined): Readonly<Record<string, unknown>> {
  if (header === undefined || header === '') return {};
  let value: unknown;
  try {
    value = parseJson(Buffer.from(header, 'base64url').toString('utf8'), name);
  } catch {
    // Without its cause, which repeats the text.
    throw new EngineError('bad-request', `invalid ${name} header: it is not base64url of JSON`);
  }
  if (value === null) return {};
  if (!isJsonObject(value)) {
    throw new EngineError('bad-request', `invalid ${name} header: expected a JSON object`);
  }
  return value;
}

function readCredentials(value: unknown): RegistryCredentials | undefined {
  const fields = new JsonFields(value, 'X-Registry-Auth ');
  const username = fields.string('username');
  const password = fields.string('password');
  const identityToken = fields.string('identitytoken');
  const registryToken = fields.string('registrytoken');
  if (username === '' && identityToken === '' && registryToken === '') return undefined;
  return {
    ...(username === '' ? {} : { username, password }),
    ...(identityToken === '' ? {} : { identityToken }),
    ...(registryToken === '' ? {} : { registryToken }),
  };
}
