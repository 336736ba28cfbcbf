import type { JsonFields } from '../../../lib/json/json-fields.ts';
import type { HostConfig } from '../../containers/container-info.ts';
import type { CreateRequest } from '../../containers/containers.ts';
import { decodeContainerConfig } from './container-config.ts';
import { type DecodeHost, decodeHostConfig } from './host-config.ts';
import { decodeEndpoints } from './networking.ts';

/**
 * A whole `POST /containers/create`: body and query. Throws EngineError 'bad-request', 'not-implemented'.
 */
export function decodeCreateRequest(
  body: JsonFields,
  query: URLSearchParams,
  host: DecodeHost,
): CreateRequest {
  const config = decodeContainerConfig(body);
  const hostConfig = withoutNetwork(body, decodeHostConfig(body.fields('HostConfig'), host));
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

/** NetworkDisabled of older clients is the network mode `none`. */
function withoutNetwork(body: JsonFields, hostConfig: HostConfig): HostConfig {
  return body.boolean('NetworkDisabled') ? { ...hostConfig, NetworkMode: 'none' } : hostConfig;
}
