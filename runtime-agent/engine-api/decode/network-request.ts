import type { JsonFields } from '../../../lib/json/json-fields.ts';
import { EngineError } from '../../errors.ts';
import type { Subnet } from '../../networks/network.ts';
import type { NetworkRequest } from '../../networks/plan/new-network.ts';

/**
 * Decodes the body of `POST /networks/create` (Engine API, NetworkCreate). Throws EngineError 'bad-request',
 * 'not-implemented'.
 */
export function decodeNetworkRequest(body: JsonFields): NetworkRequest {
  for (const field of ['Ingress', 'ConfigOnly']) {
    if (body.boolean(field)) {
      throw new EngineError(
        'not-implemented',
        `${field} networks belong to Swarm, which berth-agent does not have`,
      );
    }
  }
  const from = body.fields('ConfigFrom').string('Network');
  if (from !== '' || !['', 'local'].includes(body.string('Scope'))) {
    throw new EngineError('not-implemented', 'networks of Swarm are not supported by berth-agent');
  }
  const ipam = body.fields('IPAM');
  const driver = ipam.string('Driver');
  if (!['', 'default'].includes(driver)) {
    throw new EngineError(
      'not-implemented',
      `the IPAM driver ${driver.slice(0, 80)} is not supported by berth-agent`,
    );
  }
  return {
    name: body.string('Name'),
    driver: body.string('Driver'),
    internal: body.boolean('Internal'),
    attachable: body.boolean('Attachable'),
    enableIpv6: body.boolean('EnableIPv6'),
    ipamOptions: ipam.has('Options') ? ipam.stringMap('Options') : null,
    subnets: ipam.list('Config').map(decodeSubnet),
    options: body.stringMap('Options'),
    labels: body.stringMap('Labels'),
  };
}

function decodeSubnet(item: JsonFields): Partial<Subnet> {
  const subnet = item.string('Subnet');
  const range = item.string('IPRange');
  const gateway = item.string('Gateway');
  const auxiliary = item.stringMap('AuxiliaryAddresses');
  return {
    ...(subnet === '' ? {} : { subnet }),
    ...(range === '' ? {} : { range }),
    ...(gateway === '' ? {} : { gateway }),
    ...(Object.keys(auxiliary).length === 0 ? {} : { auxiliary }),
  };
}
