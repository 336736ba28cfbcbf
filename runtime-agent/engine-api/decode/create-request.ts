import type { CreateRequest } from '../../containers/containers.ts';
import type { JsonObject } from '../http/json-body.ts';
import { decodeContainerConfig } from './container-config.ts';
import { readObject } from './fields.ts';
import { type DecodeHost, decodeHostConfig } from './host-config.ts';
import { decodeEndpoints } from './networking.ts';

/**
 * A whole `POST /containers/create`: body and query. Throws EngineError 'bad-request', 'not-implemented'.
 */
export function decodeCreateRequest(
  body: JsonObject,
  query: URLSearchParams,
  host: DecodeHost,
): CreateRequest {
  const config = decodeContainerConfig(body);
  const hostConfig = decodeHostConfig(readObject(body, 'HostConfig', ''), host);
  const networks = decodeEndpoints(body, hostConfig.NetworkMode);
  const name = query.get('name') ?? '';
  const platform = query.get('platform') ?? '';
  return {
    ...(name === '' ? {} : { name }),
    config,
    hostConfig,
    networks,
    ...(platform === '' ? {} : { platform }),
  };
}
