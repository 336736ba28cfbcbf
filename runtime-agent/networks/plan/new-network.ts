import { EngineError } from '../../errors.ts';
import type { Network, Subnet } from '../network.ts';
import { choosePool } from './address-pools.ts';
import { bridgeOptions } from './bridge-options.ts';
import {
  blockOf,
  contains,
  formatAddress,
  formatBlock,
  type IpBlock,
  overlaps,
  parseAddress,
  parseBlock,
  parsePrefixed,
} from './ip-address.ts';

/** A request of `docker network create`. */
export interface NetworkRequest {
  readonly name: string;
  readonly driver: string;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly enableIpv6: boolean;
  readonly ipamOptions: Readonly<Record<string, string>> | null;
  /** Empty fields are absent. */
  readonly subnets: readonly Partial<Subnet>[];
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

const PREDEFINED = ['bridge', 'host', 'none', 'default'];

/**
 * Validates a request and adds defaults. `existing` are this host's networks, `routes` its other blocks. Throws
 * EngineError with dockerd's messages: 'bad-request', 'forbidden', 'conflict', 'not-found', 'not-implemented'.
 */
export function planNetwork(
  id: string,
  createdAt: string,
  request: NetworkRequest,
  existing: readonly Network[],
  routes: readonly IpBlock[],
): Network {
  checkName(request.name, existing);
  checkDriver(request.driver);
  const options = bridgeOptions(request.options);
  const used = existing.flatMap(({ subnets }) => subnets.flatMap(({ subnet }) => parseBlock(subnet) ?? []));
  const chosen = checkSubnets(request.subnets).map(withGateway);
  for (const { subnet } of chosen) {
    const block = parseBlock(subnet);
    if (block !== undefined && used.some((other) => overlaps(block, other))) {
      throw new EngineError('forbidden', 'Pool overlaps with other one on this address space');
    }
  }
  const has4 = chosen.some(({ subnet }) => !subnet.includes(':'));
  const has6 = chosen.some(({ subnet }) => subnet.includes(':'));
  if (request.enableIpv6 && !has6) {
    throw new EngineError(
      'not-found',
      'could not find an available, non-overlapping IPv6 address pool among the defaults to assign to the network',
    );
  }
  const own = chosen.flatMap(({ subnet }) => parseBlock(subnet) ?? []);
  const bridge = options.name ?? `br-${id.slice(0, 12)}`;
  const holder = existing.find((network) => network.bridge === bridge);
  if (holder !== undefined) {
    throw new EngineError(
      'forbidden',
      `cannot create network ${id} (${bridge}): conflicts with network ${holder.id} (${bridge}): networks have same bridge name`,
    );
  }
  return {
    id,
    name: request.name,
    createdAt,
    driver: 'bridge',
    predefined: false,
    enableIpv6: request.enableIpv6,
    internal: request.internal,
    attachable: request.attachable,
    ipamOptions: request.ipamOptions,
    subnets: has4 ? chosen : [...chosen, choosePool([...used, ...own, ...routes])],
    subnetChosen: chosen.length > 0,
    options: request.options,
    labels: request.labels,
    bridge,
  };
}

function checkName(name: string, existing: readonly Network[]): void {
  if (PREDEFINED.includes(name)) {
    throw new EngineError('forbidden', `operation is not permitted on predefined ${name} network`);
  }
  if (name.trim() === '' || name.length > 255 || name.includes('\0')) {
    throw new EngineError(
      'bad-request',
      `invalid name: ${name.trim() === '' ? 'name is empty' : name.slice(0, 80)}`,
    );
  }
  if (existing.some((network) => network.name === name)) {
    throw new EngineError('conflict', `network with name ${name} already exists`);
  }
}

function checkDriver(driver: string): void {
  if (driver === '' || driver === 'default' || driver === 'bridge') return;
  if (driver === 'host' || driver === 'null') {
    throw new EngineError('forbidden', `only one instance of "${driver}" network is allowed`);
  }
  if (['macvlan', 'ipvlan', 'overlay'].includes(driver)) {
    throw new EngineError(
      'not-implemented',
      `the network driver ${driver} is not supported by berth-agent: use bridge`,
    );
  }
  throw new EngineError('not-found', `plugin "${driver.slice(0, 80)}" not found`);
}

/** Reports every fault of every subnet in one message, as dockerd does. */
function checkSubnets(subnets: readonly Partial<Subnet>[]): readonly Subnet[] {
  const faults: string[] = [];
  const checked = subnets.flatMap((config): readonly Subnet[] => {
    const { subnet = '', range, gateway, auxiliary } = config;
    const block = parseBlock(subnet);
    if (block === undefined) {
      // Without a subnet the other fields are meaningless.
      if (subnet === '' && range === undefined && gateway === undefined && auxiliary === undefined) return [];
      faults.push(
        subnet === ''
          ? 'invalid subnet : a subnet is needed with a gateway, a range or auxiliary addresses'
          : `invalid subnet ${subnet}: invalid CIDR block notation`,
      );
      return [];
    }
    const text = formatBlock(block);
    if (text !== formatGiven(subnet)) faults.push(`invalid subnet ${subnet}: it should be ${text}`);
    if (range !== undefined) faults.push(...rangeFaults(range, block));
    for (const [what, address] of [
      ['gateway', gateway],
      ...Object.values(auxiliary ?? {}).map((other) => ['auxiliary address', other] as const),
    ] as const) {
      if (address !== undefined) faults.push(...addressFaults(what, address, block));
    }
    return [{ ...config, subnet: text }];
  });
  const families = checked.map(({ subnet }) => (subnet.includes(':') ? 6 : 4));
  if (new Set(families).size !== families.length && faults.length === 0) {
    throw new EngineError(
      'not-implemented',
      'more than one subnet of an address family is not supported by berth-agent: create a network for each',
    );
  }
  if (faults.length > 0) throw new EngineError('bad-request', `invalid network config:\n${joined(faults)}`);
  return checked;
}

function rangeFaults(range: string, block: IpBlock): readonly string[] {
  const parsed = parsePrefixed(range);
  if (parsed === undefined) return [`invalid ip-range ${range}: invalid CIDR block notation`];
  const inner = blockOf(parsed.address, parsed.prefix);
  if (formatBlock(inner) !== formatGiven(range)) {
    return [`invalid ip-range ${range}: it should be ${formatBlock(inner)}`];
  }
  if (inner.prefix < block.prefix) {
    return [`invalid ip-range ${range}: CIDR block is bigger than its parent subnet ${formatBlock(block)}`];
  }
  if (!contains(block, inner)) {
    return [`invalid ip-range ${range}: parent subnet ${formatBlock(block)} doesn't contain ip-range`];
  }
  return [];
}

function addressFaults(what: string, text: string, block: IpBlock): readonly string[] {
  const address = parseAddress(text);
  if (address === undefined) return [`invalid ${what} ${text}: invalid address`];
  if (address.family !== block.family) {
    return [`invalid ${what} ${text}: parent subnet is an IPv${block.family} block`];
  }
  if (!contains(block, address)) {
    return [`invalid ${what} ${text}: parent subnet ${formatBlock(block)} doesn't contain this address`];
  }
  return [];
}

/** Adds the bridge's address: the first by default; also for IPv6, where inspect does not show it. */
function withGateway(config: Subnet): Subnet {
  const block = parseBlock(config.subnet);
  if (config.gateway !== undefined || block === undefined || block.family === 6) return config;
  const range = config.range === undefined ? block : (parseBlock(config.range) ?? block);
  const first = range.prefix > 30 ? range.value : range.value + 1n;
  return { ...config, gateway: formatAddress({ family: 4, value: first }) };
}

function formatGiven(text: string): string {
  const parsed = parsePrefixed(text);
  return parsed === undefined ? text : `${formatAddress(parsed.address)}/${parsed.prefix}`;
}

function joined(faults: readonly string[]): string {
  return faults.length === 1 ? (faults[0] ?? '') : faults.map((fault) => `* ${fault}`).join('\n');
}
