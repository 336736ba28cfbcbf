import type { JsonFields } from '../../../lib/json/json-fields.ts';
import type { CreateRequest } from '../../containers/containers.ts';
import { type HostConfig, readHostConfig } from '../../containers/host-config.ts';
import type { HostDefaults } from '../../containers/host-config-fields.ts';
import { decodeContainerConfig } from './container-config.ts';
import { decodeEndpoints } from './networking.ts';

/**
 * A whole `POST /containers/create`: body and query. Throws EngineError 'bad-request', 'not-implemented'.
 */
export function decodeCreateRequest(
  body: JsonFields,
  query: URLSearchParams,
  host: HostDefaults,
): CreateRequest {
  const config = decodeContainerConfig(body);
  const hostConfig = withoutNetwork(body, readHostConfig(body.fields('HostConfig'), host));
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
