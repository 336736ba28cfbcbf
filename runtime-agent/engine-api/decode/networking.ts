import { EngineError } from '../../errors.ts';
import type { EndpointSettings, PortBindings } from '../../networks/network.ts';
import { isJsonObject, type JsonObject } from '../http/json-body.ts';
import { readObject, readOptionalStringList, readString, readStringList, readStringMap } from './fields.ts';

/** What NetworkMode of a create body means: `default` and '' are `bridge`, as inspect shows it. */
export function decodeNetworkMode(mode: string): string {
  return mode === '' || mode === 'default' ? 'bridge' : mode;
}

/**
 * NetworkingConfig of a create body by network: the CLI names the network of NetworkMode there too. `mac` is the container's
 * own address of older clients, for that network. Throws EngineError 'bad-request', 'not-implemented'.
 */
export function decodeEndpoints(
  body: JsonObject,
  networkMode: string,
): Readonly<Record<string, EndpointSettings>> {
  const networking = readObject(body, 'NetworkingConfig', '');
  const endpoints = readObject(networking, 'EndpointsConfig', 'NetworkingConfig.');
  const mac = readString(body, 'MacAddress', '');
  const decoded = Object.entries(endpoints).map(([network, value]) => {
    const at = `NetworkingConfig.EndpointsConfig.${network}`;
    if (value !== null && !isJsonObject(value)) {
      throw new EngineError('bad-request', `${at} must be an object`);
    }
    return [decodeNetworkMode(network), decodeEndpoint(value ?? {}, `${at}.`)] as const;
  });
  const all = Object.fromEntries(decoded);
  if (mac === '') return all;
  const first = all[networkMode] ?? decodeEndpoint({}, '');
  return { ...all, [networkMode]: { ...first, mac: first.mac === '' ? mac : first.mac } };
}

/**
 * EndpointSettings. What only inspect fills in (addresses, IDs, names) is not read. Throws EngineError 'bad-request' for a
 * wrong field, 'not-implemented' for link-local addresses.
 */
export function decodeEndpoint(value: JsonObject, at: string): EndpointSettings {
  const links = readOptionalStringList(value, 'Links', at);
  const ipam = value.IPAMConfig ?? null;
  if (ipam !== null && !isJsonObject(ipam)) {
    throw new EngineError('bad-request', `${at}IPAMConfig must be an object`);
  }
  return {
    aliases: readOptionalStringList(value, 'Aliases', at),
    ...(links === null ? {} : { links }),
    ipam: ipam === null ? null : decodeAddresses(ipam, `${at}IPAMConfig.`),
    mac: readString(value, 'MacAddress', at),
    driverOptions: (value.DriverOpts ?? null) === null ? null : readStringMap(value, 'DriverOpts', at),
  };
}

function decodeAddresses(ipam: JsonObject, at: string): NonNullable<EndpointSettings['ipam']> {
  if (readStringList(ipam, 'LinkLocalIPs', at).length > 0) {
    throw new EngineError(
      'not-implemented',
      'link-local addresses (--link-local-ip) are not supported by berth-agent',
    );
  }
  const ipv4 = readString(ipam, 'IPv4Address', at);
  const ipv6 = readString(ipam, 'IPv6Address', at);
  return {
    ...(ipv4 === '' ? {} : { IPv4Address: ipv4 }),
    ...(ipv6 === '' ? {} : { IPv6Address: ipv6 }),
  };
}

/** HostConfig.PortBindings; a port without bindings gets one of any port, as dockerd does. Throws EngineError 'bad-request'. */
export function decodePortBindings(body: JsonObject, at: string): PortBindings {
  const entries = Object.entries(readObject(body, 'PortBindings', at)).map(([key, value]) => {
    const field = `${at}PortBindings.${key}`;
    const list: unknown = value ?? [];
    if (!Array.isArray(list) || !list.every(isJsonObject)) {
      throw new EngineError('bad-request', `${field} must be a list of objects`);
    }
    const bindings = list.map((binding) => ({
      HostIp: readString(binding, 'HostIp', `${field}.`),
      HostPort: readString(binding, 'HostPort', `${field}.`),
    }));
    return [key.includes('/') ? key : `${key}/tcp`, bindings] as const;
  });
  return Object.fromEntries(entries);
}
