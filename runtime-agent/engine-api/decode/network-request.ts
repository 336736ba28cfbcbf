import { EngineError } from '../../errors.ts';
import type { Subnet } from '../../networks/network.ts';
import type { NetworkRequest } from '../../networks/plan/new-network.ts';
import { isJsonObject, type JsonObject } from '../http/json-body.ts';
import { readBoolean, readObject, readString, readStringMap } from './fields.ts';

/** A `POST /networks/create` body (Engine API, NetworkCreate). Throws EngineError 'bad-request', 'not-implemented'. */
export function decodeNetworkRequest(body: JsonObject): NetworkRequest {
  for (const field of ['Ingress', 'ConfigOnly']) {
    if (readBoolean(body, field, '')) {
      throw new EngineError(
        'not-implemented',
        `${field} networks belong to Swarm, which berth-agent does not have`,
      );
    }
  }
  const from = readString(readObject(body, 'ConfigFrom', ''), 'Network', 'ConfigFrom.');
  if (from !== '' || !['', 'local'].includes(readString(body, 'Scope', ''))) {
    throw new EngineError('not-implemented', 'networks of Swarm are not supported by berth-agent');
  }
  const ipam = readObject(body, 'IPAM', '');
  const driver = readString(ipam, 'Driver', 'IPAM.');
  if (!['', 'default'].includes(driver)) {
    throw new EngineError(
      'not-implemented',
      `the IPAM driver ${driver.slice(0, 80)} is not supported by berth-agent`,
    );
  }
  const config: unknown = ipam.Config ?? [];
  if (!Array.isArray(config) || !config.every(isJsonObject)) {
    throw new EngineError('bad-request', 'IPAM.Config must be a list of objects');
  }
  return {
    name: readString(body, 'Name', ''),
    driver: readString(body, 'Driver', ''),
    internal: readBoolean(body, 'Internal', ''),
    attachable: readBoolean(body, 'Attachable', ''),
    enableIpv6: readBoolean(body, 'EnableIPv6', ''),
    ipamOptions: (ipam.Options ?? null) === null ? null : readStringMap(ipam, 'Options', 'IPAM.'),
    subnets: config.map((item, index) => decodeSubnet(item, `IPAM.Config[${index}].`)),
    options: readStringMap(body, 'Options', ''),
    labels: readStringMap(body, 'Labels', ''),
  };
}

function decodeSubnet(item: JsonObject, at: string): Partial<Subnet> {
  const subnet = readString(item, 'Subnet', at);
  const range = readString(item, 'IPRange', at);
  const gateway = readString(item, 'Gateway', at);
  const auxiliary = readStringMap(item, 'AuxiliaryAddresses', at);
  return {
    ...(subnet === '' ? {} : { subnet }),
    ...(range === '' ? {} : { range }),
    ...(gateway === '' ? {} : { gateway }),
    ...(Object.keys(auxiliary).length === 0 ? {} : { auxiliary }),
  };
}
