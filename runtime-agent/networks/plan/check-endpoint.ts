import { EngineError } from '../../errors.ts';
import type { EndpointSettings, Network } from '../network.ts';
import { contains, parseAddress, parseBlock, parseMac } from './ip-address.ts';
import { parseLink } from './links.ts';

/** Throws EngineError 'bad-request' where a container cannot have this place in a network, with every reason, as dockerd does. */
export function checkEndpoint(network: Network, settings: EndpointSettings): void {
  const faults = [
    ...aliasFaults(network, settings),
    ...linkFaults(network, settings),
    ...addressFaults(network, settings),
  ];
  for (const link of settings.links ?? []) parseLink(link);
  if (settings.mac !== '') parseMac(settings.mac);
  if (faults.length === 0) return;
  const text = faults.length === 1 ? faults[0] : faults.map((fault) => `* ${fault}`).join('\n');
  throw new EngineError(
    'bad-request',
    `invalid config for network ${network.name}: invalid endpoint settings:\n${text}`,
  );
}

function aliasFaults(network: Network, { aliases }: EndpointSettings): readonly string[] {
  if (!network.predefined || (aliases ?? []).length === 0) return [];
  return ['network-scoped alias is supported only for containers in user defined networks'];
}

function linkFaults(network: Network, { links }: EndpointSettings): readonly string[] {
  if (!network.predefined || (links ?? []).length === 0) return [];
  return ['links of an endpoint are supported only in user defined networks: use HostConfig.Links'];
}

function addressFaults(network: Network, { ipam }: EndpointSettings): readonly string[] {
  const wanted = [
    { family: 4, text: ipam?.IPv4Address },
    { family: 6, text: ipam?.IPv6Address },
  ].filter(({ text }) => text !== undefined && text !== '');
  const faults =
    wanted.length > 0 && network.predefined
      ? ['user specified IP address is supported on user defined networks only']
      : [];
  return faults.concat(
    wanted.flatMap(({ family, text = '' }) => {
      const address = parseAddress(text);
      const invalid = address?.family === family ? [] : [`invalid IPv${family} address: ${text}`];
      if (!network.subnetChosen) {
        return [
          ...invalid,
          'user specified IP address is supported only when connecting to networks with user configured subnets',
        ];
      }
      const inside =
        address !== undefined &&
        network.subnets.some(({ subnet }) => {
          const block = parseBlock(subnet);
          return block !== undefined && contains(block, address);
        });
      return inside
        ? invalid
        : [...invalid, `no configured subnet or ip-range contain the IP address ${text}`];
    }),
  );
}
