import { JsonFields } from '../../../lib/json/json-fields.ts';
import type { ContainerConfig, HealthConfig } from '../../containers/container-info.ts';
import type { CreateRequest } from '../../containers/containers.ts';
import { type HostConfig, readHostConfig } from '../../containers/host-config.ts';
import { type HostDefaults, settledNetworkMode } from '../../containers/host-config-fields.ts';
import { EngineError } from '../../errors.ts';
import type { EndpointSettings } from '../../networks/network.ts';

/** Decodes `POST /containers/create`: body and query. Throws EngineError 'bad-request', 'not-implemented'. */
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

/** NetworkDisabled of older clients means the network mode `none`. */
function withoutNetwork(body: JsonFields, hostConfig: HostConfig): HostConfig {
  return body.boolean('NetworkDisabled') ? { ...hostConfig, NetworkMode: 'none' } : hostConfig;
}

const OF_IMAGES = [
  ...['Cmd', 'Entrypoint', 'Env', 'ExposedPorts', 'Healthcheck', 'Labels', 'OnBuild', 'Shell', 'StopSignal'],
  ...['User', 'Volumes', 'WorkingDir'],
];

/**
 * Decodes the container's own part of a create body (Engine API, ContainerCreate). Checks types, and values that no later
 * step sees; containers/plan/validate.ts checks the rest. Throws EngineError 'bad-request', JsonError.
 */
export function decodeContainerConfig(body: JsonFields): ContainerConfig {
  const config = decodeConfig(body);
  if (config.Image === '') throw new EngineError('bad-request', 'Image is empty: name the image to run');
  return config;
}

/** Decodes the fields that replace those of the container in a commit (ImageCommit); undefined if the body has none. */
export function decodeCommitConfig(body: JsonFields): ContainerConfig | undefined {
  return OF_IMAGES.some((name) => body.has(name)) ? decodeConfig(body) : undefined;
}

function decodeConfig(body: JsonFields): ContainerConfig {
  const mac = body.string('MacAddress');
  const stopSignal = body.string('StopSignal');
  const stopTimeout = body.integer('StopTimeout');
  const exposedPorts = body.set('ExposedPorts');
  const volumes = body.set('Volumes');
  const healthcheck = decodeHealthcheck(body);
  const shell = body.strings('Shell');
  const onBuild = body.strings('OnBuild');
  for (const port of Object.keys(exposedPorts)) checkPort(port);
  return {
    Hostname: body.string('Hostname'),
    Domainname: body.string('Domainname'),
    User: body.string('User'),
    AttachStdin: body.boolean('AttachStdin'),
    AttachStdout: body.boolean('AttachStdout'),
    AttachStderr: body.boolean('AttachStderr'),
    Tty: body.boolean('Tty'),
    OpenStdin: body.boolean('OpenStdin'),
    StdinOnce: body.boolean('StdinOnce'),
    Env: body.strings('Env'),
    Cmd: body.command('Cmd'),
    Entrypoint: body.command('Entrypoint'),
    Image: body.string('Image'),
    Labels: body.stringMap('Labels'),
    WorkingDir: body.string('WorkingDir'),
    ...(mac === '' ? {} : { MacAddress: mac }),
    ...(stopSignal === '' ? {} : { StopSignal: stopSignal }),
    ...(body.has('StopTimeout') ? { StopTimeout: stopTimeout } : {}),
    ...(Object.keys(exposedPorts).length === 0 ? {} : { ExposedPorts: exposedPorts }),
    ...(Object.keys(volumes).length === 0 ? {} : { Volumes: volumes }),
    ...(healthcheck === undefined ? {} : { Healthcheck: healthcheck }),
    ...(shell.length === 0 ? {} : { Shell: shell }),
    ...(onBuild.length === 0 ? {} : { OnBuild: onBuild }),
  };
}

function checkPort(text: string): void {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(text);
  if (match === null || Number(match[1]) > 65535 || Number(match[2] ?? 0) > 65535) {
    throw new EngineError('bad-request', `invalid port in ExposedPorts: ${text.slice(0, 80)}`);
  }
}

const DURATIONS = ['Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries'] as const;

/** Decodes the health check of a create body; undefined without one. Throws EngineError 'bad-request'. */
function decodeHealthcheck(body: JsonFields): HealthConfig | undefined {
  if (!body.has('Healthcheck')) return undefined;
  const check = body.fields('Healthcheck');
  const numbers = DURATIONS.map((name) => [name, check.integer(name)] as const);
  const test = check.strings('Test');
  return {
    ...(test.length === 0 ? {} : { Test: test }),
    ...Object.fromEntries(numbers.filter(([, value]) => value !== 0)),
  };
}

/**
 * Decodes NetworkingConfig of a create body by network: the CLI names the network of NetworkMode there too. `mac` is
 * the container-wide address of older clients, for that network. Throws EngineError 'bad-request', 'not-implemented'.
 */
function decodeEndpoints(body: JsonFields, networkMode: string): Readonly<Record<string, EndpointSettings>> {
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
 * Decodes EndpointSettings. Fields that only inspect fills in (addresses, IDs, names) are ignored. Throws EngineError
 * 'bad-request' for an invalid field, 'not-implemented' for link-local addresses.
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
