import { EngineError } from '../../errors.ts';

const PREFIX = 'com.docker.network.';
const BRIDGE = `${PREFIX}bridge.`;
const KNOWN = new Set([
  `${BRIDGE}default_bridge`,
  `${BRIDGE}enable_icc`,
  `${BRIDGE}enable_ip_masquerade`,
  `${BRIDGE}host_binding_ipv4`,
  `${BRIDGE}name`,
  `${PREFIX}driver.mtu`,
]);

/** The parsed options of a bridge network. */
export interface BridgeOptions {
  /** Whether its containers reach each other. */
  readonly icc: boolean;
  /** Whether packets that leave the host get the host's address. */
  readonly masquerade: boolean;
  /** Default address for published ports; undefined means all addresses. */
  readonly hostBinding?: string;
  readonly mtu: number;
  /** The bridge's name that a client chose. */
  readonly name?: string;
}

/**
 * Parses the driver's options; unknown ones are the client's own, stored and shown. Throws EngineError 'bad-request'
 * for an invalid value, 'not-implemented' for a Docker option that the agent lacks.
 */
export function bridgeOptions(options: Readonly<Record<string, string>>): BridgeOptions {
  for (const name of Object.keys(options)) {
    if (name.startsWith(PREFIX) && !KNOWN.has(name)) {
      throw new EngineError('not-implemented', `the network option ${name} is not supported by berth-agent`);
    }
  }
  const name = options[`${BRIDGE}name`];
  if (name !== undefined && !/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}$/.test(name)) {
    throw new EngineError(
      'bad-request',
      `invalid bridge name ${name.slice(0, 80)}: at most 15 letters, digits and ._-`,
    );
  }
  const binding = options[`${BRIDGE}host_binding_ipv4`];
  return {
    icc: flag(options, `${BRIDGE}enable_icc`),
    masquerade: flag(options, `${BRIDGE}enable_ip_masquerade`),
    ...(binding === undefined || binding === '0.0.0.0' ? {} : { hostBinding: binding }),
    mtu: mtuOf(options[`${PREFIX}driver.mtu`]),
    ...(name === undefined ? {} : { name }),
  };
}

/** Returns the options that Docker shows for the network `bridge`. */
export function defaultBridgeOptions(bridge: string): Readonly<Record<string, string>> {
  return {
    [`${BRIDGE}default_bridge`]: 'true',
    [`${BRIDGE}enable_icc`]: 'true',
    [`${BRIDGE}enable_ip_masquerade`]: 'true',
    [`${BRIDGE}host_binding_ipv4`]: '0.0.0.0',
    [`${BRIDGE}name`]: bridge,
    [`${PREFIX}driver.mtu`]: '1500',
  };
}

function flag(options: Readonly<Record<string, string>>, name: string): boolean {
  const value = options[name];
  if (value === undefined) return true;
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false;
  throw new EngineError(
    'bad-request',
    `failed to parse ${name} value: ${value} (strconv.ParseBool: parsing "${value}": invalid syntax)`,
  );
}

function mtuOf(value: string | undefined): number {
  if (value === undefined || value === '0') return 1500;
  if (!/^\d{1,6}$/.test(value) || Number(value) < 68 || Number(value) > 65535) {
    throw new EngineError(
      'bad-request',
      `failed to parse ${PREFIX}driver.mtu value: ${value} (strconv.Atoi: parsing "${value}": invalid syntax)`,
    );
  }
  return Number(value);
}
