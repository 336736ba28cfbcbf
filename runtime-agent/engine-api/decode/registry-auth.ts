import { EngineError } from '../../errors.ts';
import type { RegistryCredentials } from '../../images/images.ts';
import { isJsonObject } from '../http/json-body.ts';
import { readString } from './fields.ts';

/**
 * The header `X-Registry-Auth`: base64url, with or without padding, of a JSON object (Engine API,
 * "Authentication"). Undefined where it is absent or holds no credentials. Throws EngineError 'bad-request';
 * no message repeats what the header holds.
 */
export function decodeRegistryAuth(header: string | undefined): RegistryCredentials | undefined {
  if (header === undefined || header === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'));
  } catch {
    throw new EngineError('bad-request', 'invalid X-Registry-Auth header: it is not base64url of JSON');
  }
  if (!isJsonObject(value)) {
    throw new EngineError('bad-request', 'invalid X-Registry-Auth header: expected a JSON object');
  }
  const username = readString(value, 'username', 'X-Registry-Auth ');
  const password = readString(value, 'password', 'X-Registry-Auth ');
  const identityToken = readString(value, 'identitytoken', 'X-Registry-Auth ');
  const registryToken = readString(value, 'registrytoken', 'X-Registry-Auth ');
  if (username === '' && identityToken === '' && registryToken === '') return undefined;
  return {
    ...(username === '' ? {} : { username, password }),
    ...(identityToken === '' ? {} : { identityToken }),
    ...(registryToken === '' ? {} : { registryToken }),
  };
}
