import { JsonFields } from '../../../lib/json/json-fields.ts';
import { settledNetworkMode } from '../../containers/host-config-fields.ts';
import { EngineError } from '../../errors.ts';
import type { EndpointSettings } from '../../networks/network.ts';

/**
 * NetworkingConfig of a create body by network: the CLI names the network of NetworkMode there too. `mac` is the container's
 * own address of older clients, for that network. Throws EngineError 'bad-request', 'not-implemented'.
 */
export function decodeEndpoints(
  body: JsonFields,
  networkMode: string,
): Readonly<Record<string, EndpointSettings>> {
  const networking = body.fields('NetworkingConfig');
  const mac = body.string('MacAddress');
  const decoded = networking
    .map('EndpointsConfig')
    .map(([network, endpoint]) => [settledNetworkMode(network), decodeEndpoint(endpoint)] as const);
  const all = Object.fromEntries(decoded);
  if (mac === '') return all;
  const first = all[networkMode] ?? decodeEndpoint(new JsonFields(null));
  if (first.mac !== '' && first.mac !== mac) {
    throw new EngineError(
      'bad-request',
      'the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty',
    );
  }
  return { ...all, [networkMode]: { ...first, mac } };
}

/**
 * EndpointSettings. What only inspect fills in (addresses, IDs, names) is not read. Throws EngineError 'bad-request' for a
 * wrong field, 'not-implemented' for link-local addresses.
 */
export function decodeEndpoint(value: JsonFields): EndpointSettings {
  const links = value.optionalStrings('Links');
  return {
    aliases: value.optionalStrings('Aliases'),
    ...(links === null ? {} : { links }),
    ipam: value.has('IPAMConfig') ? decodeAddresses(value.fields('IPAMConfig')) : null,
    mac: value.string('MacAddress'),
    driverOptions: value.has('DriverOpts') ? value.stringMap('DriverOpts') : null,
  };
}

function decodeAddresses(ipam: JsonFields): NonNullable<EndpointSettings['ipam']> {
  if (ipam.strings('LinkLocalIPs').length > 0) {
    throw new EngineError(
      'not-implemented',
      'link-local addresses (--link-local-ip) are not supported by berth-agent',
    );
  }
  const ipv4 = ipam.string('IPv4Address');
  const ipv6 = ipam.string('IPv6Address');
  return {
    ...(ipv4 === '' ? {} : { IPv4Address: ipv4 }),
    ...(ipv6 === '' ? {} : { IPv6Address: ipv6 }),
  };
}
