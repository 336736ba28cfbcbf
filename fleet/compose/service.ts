import { posix } from 'node:path';
import { ReferenceInvalidError } from '../../oci/errors.ts';
import { parseImageReference } from '../../oci/reference.ts';
import type { Dependency, HealthcheckSpec, ServiceSpec } from '../service.ts';
import { quote } from './compose-error.ts';
import {
  checkRollbackPolicy,
  readConstraints,
  readMaxPerHost,
  readReplicas,
  readResources,
  readRestartPolicy,
  readUpdatePolicy,
} from './deploy.ts';
import type { Field } from './field.ts';
import { KEYS, NO_BUILD } from './keys.ts';
import { readFileUses, readMounts, readTmpfs } from './mounts.ts';
import { readPorts } from './ports.ts';
import { readRoute } from './route.ts';
import { readExtraHosts, readNetworkMode, readNetworkUses } from './service-network.ts';
import { splitShellWords } from './shell-words.ts';

/** Default milliseconds between the stop signal and SIGKILL. */
const STOP_GRACE = 10_000;
const LONGEST_GRACE = 3_600_000;
const RESERVED_LABELS = ['io.berth.', 'com.docker.compose.'];
const PLATFORM = /^[a-z0-9]{1,32}\/[a-z0-9_]{1,32}(?:\/[a-z0-9.]{1,32})?$/;

/** Reads a service whose name has been checked. The caller checks the networks, volumes and files that it names. */
export function readService(name: string, field: Field): ServiceSpec | undefined {
  const service = withoutEmpty(field.mapping(KEYS.service));
  if (!service.isPresent)
    return field.isPresent ? undefined : field.refuse('must be a mapping with an image');
  const deploy = service.get('deploy').mapping(KEYS.deploy);
  const image = readImage(service);
  const replicas = readReplicas(service);
  const healthcheck = readHealthcheck(service.get('healthcheck'));
  const route = readRoute(service);
  const networkMode = readNetworkMode(service.get('network_mode'));
  const ports = readPorts(service.get('ports'));
  refusePortsWithoutNetwork(service, networkMode);
  checkRollbackPolicy(deploy);
  checkPullPolicy(service.get('pull_policy'));
  const spec: ServiceSpec = {
    name,
    image: image ?? '',
    ...optional('platform', readPlatform(service.get('platform'))),
    ...optional('command', readCommand(service.get('command'))),
    ...optional('entrypoint', readCommand(service.get('entrypoint'))),
    environment: readEnvironment(service.get('environment')),
    labels: readLabels(service.get('labels')),
    ...optional('user', service.get('user').text()),
    ...optional('workingDir', readWorkingDir(service.get('working_dir'))),
    ...optional('hostname', service.get('hostname').string()),
    ...optional('domainname', service.get('domainname').string()),
    tty: service.get('tty').boolean() ?? false,
    stdinOpen: service.get('stdin_open').boolean() ?? false,
    init: service.get('init').boolean() ?? false,
    readOnly: service.get('read_only').boolean() ?? false,
    ports,
    mounts: readMounts(service.get('volumes')),
    tmpfs: readTmpfs(service.get('tmpfs')),
    secrets: readFileUses(service.get('secrets'), '/run/secrets', 0o400),
    configs: readFileUses(service.get('configs'), '/', 0o444),
    networks: networkMode === undefined ? readNetworkUses(service) : [],
    extraHosts: readExtraHosts(service.get('extra_hosts')),
    dns: service.get('dns').stringOrStrings(),
    dnsSearch: service.get('dns_search').stringOrStrings(),
    dnsOptions: service.get('dns_opt').strings(),
    ...optional('healthcheck', healthcheck),
    dependsOn: withLinks(readDependencies(service.get('depends_on')), readLinks(service.get('links'))),
    restart: readRestartPolicy(service) ?? { name: 'always', maximumRetryCount: 0 },
    ...optional('stopSignal', service.get('stop_signal').string()),
    stopGracePeriod: service.get('stop_grace_period').duration(LONGEST_GRACE) ?? STOP_GRACE,
    resources: readResources(service),
    capAdd: service.get('cap_add').strings(),
    capDrop: service.get('cap_drop').strings(),
    securityOpt: service.get('security_opt').strings(),
    groupAdd: service.get('group_add').strings(),
    sysctls: service.get('sysctls').record(''),
    ulimits: readUlimits(service.get('ulimits')),
    ...optional('shmSize', service.get('shm_size').size()),
    devices: readDevices(service.get('devices')),
    privileged: service.get('privileged').boolean() ?? false,
    ...optional('networkMode', networkMode),
    ...optional('pid', service.get('pid').oneOf(['host'])),
    ...optional('ipc', service.get('ipc').oneOf(['host', 'private', 'shareable'])),
    ...optional('logging', readLogging(service.get('logging'))),
    ...optional('replicas', replicas),
    ...optional('maxPerHost', readMaxPerHost(deploy)),
    constraints: readConstraints(deploy),
    update: readUpdatePolicy(deploy),
    ...optional('route', route),
  };
  refuseSharedTargets(service, spec);
  return image === undefined ? undefined : spec;
}

/** Keys whose empty value counts as absent: published files have variables there that may be empty. */
const MAY_BE_EMPTY: ReadonlySet<string> = new Set([
  ...[
    'container_name',
    'dns',
    'dns_search',
    'domainname',
    'hostname',
    'ipc',
    'network_mode',
    'pid',
    'platform',
  ],
  ...['restart', 'stop_signal', 'tmpfs', 'user', 'working_dir'],
]);

function withoutEmpty(service: Field): Field {
  if (!service.isObject) return service;
  const entries = Object.entries(service.value as object);
  return service.with(
    Object.fromEntries(entries.filter(([key, value]) => value !== '' || !MAY_BE_EMPTY.has(key))),
  );
}

function optional<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { readonly [Key in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [Key in Name]?: Value };
}

function readImage(service: Field): string | undefined {
  const image = service.get('image');
  const text = image.string();
  if (text === undefined) {
    if (image.isPresent) return undefined;
    const build = service.get('build');
    return build.isPresent ? build.refuse(NO_BUILD) : service.refuse('image is missing');
  }
  try {
    parseImageReference(text);
    return text;
  } catch (error) {
    if (!(error instanceof ReferenceInvalidError)) throw error;
    return image.refuse(`${quote(text)} is not an image: ${error.message}`);
  }
}

function readPlatform(field: Field): string | undefined {
  const platform = field.string();
  if (platform === undefined || PLATFORM.test(platform)) return platform;
  return field.refuse('must be a platform, such as linux/amd64');
}

function readCommand(field: Field): readonly string[] | undefined {
  if (!field.isPresent) return undefined;
  if (field.isList) return field.strings();
  const text = field.string();
  if (text === undefined) return undefined;
  const words = splitShellWords(text);
  return typeof words === 'string' ? field.refuse(words) : words;
}

/** Variables without a value refer to the deployer's environment, so here they are not set. */
function readEnvironment(field: Field): Readonly<Record<string, string>> {
  const found = [...field.map()].flatMap(([name, value]) => {
    if (name === '' || name.includes('=')) field.refuse(`${quote(name)} is not the name of a variable`);
    return value === null ? [] : [[name, value] as const];
  });
  return Object.fromEntries(found);
}

function readLabels(field: Field): Readonly<Record<string, string>> {
  const labels = field.record('');
  for (const name of Object.keys(labels)) {
    const reserved = RESERVED_LABELS.find((prefix) => name.startsWith(prefix));
    if (reserved !== undefined)
      field.refuse(`${quote(name)}: labels that begin with ${reserved} are set by the host`);
  }
  return labels;
}

function readWorkingDir(field: Field): string | undefined {
  const path = field.string();
  if (path === undefined || posix.isAbsolute(path)) return path;
  return field.refuse('must be an absolute path of the instance');
}

function refusePortsWithoutNetwork(service: Field, mode: 'host' | 'none' | undefined): void {
  if (mode === undefined) return;
  if (service.get('networks').isPresent)
    service.get('networks').refuse(`network_mode ${mode} excludes networks`);
  if (service.get('ports').isPresent) service.get('ports').refuse(`network_mode ${mode} excludes ports`);
  if (mode === 'none' && service.get('x-berth').get('route').isPresent) {
    service.get('x-berth').refuse('network_mode none excludes a route');
  }
}

function checkPullPolicy(field: Field): void {
  const policy = field.string();
  if (policy === undefined || ['always', 'missing', 'if_not_present'].includes(policy)) return;
  field.refuse('remove it: each host pulls the digest of the release once');
}

function readHealthcheck(field: Field): HealthcheckSpec | undefined {
  const check = field.mapping(KEYS.healthcheck);
  if (!check.isPresent) return undefined;
  if (check.get('disable').boolean() === true) return { test: ['NONE'] };
  const test = readHealthcheckTest(check.get('test'));
  return {
    ...optional('test', test),
    ...optional('interval', check.get('interval').duration()),
    ...optional('timeout', check.get('timeout').duration()),
    ...optional('startPeriod', check.get('start_period').duration()),
    ...optional('startInterval', check.get('start_interval').duration()),
    ...optional('retries', check.get('retries').integer(0, 1000)),
  };
}

function readHealthcheckTest(field: Field): readonly string[] | undefined {
  if (!field.isPresent) return undefined;
  if (!field.isList) {
    const command = field.string();
    return command === undefined ? undefined : ['CMD-SHELL', command];
  }
  const test = field.strings();
  if (['CMD', 'CMD-SHELL', 'NONE'].includes(test[0] ?? '')) return test;
  return field.refuse('must begin with CMD, CMD-SHELL or NONE');
}

const CONDITIONS = {
  service_started: 'started',
  service_healthy: 'healthy',
  service_completed_successfully: 'completed',
} as const;

function readDependencies(field: Field): readonly Dependency[] {
  if (field.isList) {
    return field.strings().map((service) => ({ service, condition: 'started', required: true }));
  }
  return field.entries().flatMap((item) => {
    const dependency = item.mapping(KEYS.dependency);
    const condition = dependency.get('condition');
    if (!condition.isPresent)
      condition.refuse(`is missing: it is one of ${Object.keys(CONDITIONS).join(', ')}`);
    const name = condition.oneOf(['service_started', 'service_healthy', 'service_completed_successfully']);
    const required = dependency.get('required').boolean() ?? true;
    return name === undefined ? [] : [{ service: item.key, condition: CONDITIONS[name], required }];
  });
}

/** Reads names of services. */
function readLinks(field: Field): readonly string[] {
  return field.list().flatMap((item) => {
    const [service = '', alias = service] = item.string()?.split(':') ?? [];
    if (service === '') return item.refuse('must be the name of a service') ?? [];
    if (alias === service) return [service];
    const instead = `give ${service} the alias ${quote(alias)} under its networks`;
    return item.refuse(`${instead}: services of a network find each other by name`) ?? [];
  });
}

/** A link waits until the other service has started, unless depends_on requires more. */
function withLinks(dependencies: readonly Dependency[], links: readonly string[]): readonly Dependency[] {
  const known = new Set(dependencies.map(({ service }) => service));
  const more = [...new Set(links)].filter((service) => !known.has(service));
  return [
    ...dependencies,
    ...more.map((service): Dependency => ({ service, condition: 'started', required: true })),
  ];
}

function readUlimits(field: Field): ServiceSpec['ulimits'] {
  return field.entries().flatMap((item) => {
    const maximum = Number.MAX_SAFE_INTEGER;
    if (!item.isObject) {
      const both = item.integer(-1, maximum);
      return both === undefined ? [] : [{ name: item.key, soft: both, hard: both }];
    }
    const limit = item.mapping(KEYS.ulimit);
    const soft = limit.get('soft').integer(-1, maximum);
    const hard = limit.get('hard').integer(-1, maximum);
    if (soft === undefined || hard === undefined) return limit.refuse('needs soft and hard') ?? [];
    return soft <= hard || hard === -1
      ? [{ name: item.key, soft, hard }]
      : (limit.refuse('soft exceeds hard') ?? []);
  });
}

/** Formats `SOURCE[:TARGET[:PERMISSIONS]]`. */
function readDevices(field: Field): readonly string[] {
  return field.list().flatMap((item) => {
    const device = item.isObject ? item.mapping(KEYS.device) : undefined;
    const source = device === undefined ? item.string()?.split(':')[0] : device.get('source').string();
    if (source === undefined || !posix.isAbsolute(source))
      return item.refuse('must be a device of the host') ?? [];
    if (device === undefined) return [String(item.value)];
    const target = device.get('target').string() ?? source;
    return [`${source}:${target}:${device.get('permissions').string() ?? 'rwm'}`];
  });
}

function readLogging(field: Field): ServiceSpec['logging'] {
  const logging = field.mapping(KEYS.logging);
  if (!logging.isPresent) return undefined;
  const driver = logging.get('driver').string() ?? 'json-file';
  return { driver, options: logging.get('options').record('') };
}

/** Refuses two mounts at one path. */
function refuseSharedTargets(service: Field, spec: ServiceSpec): void {
  const seen = new Set<string>();
  const parts = [
    ['volumes', spec.mounts.map(({ target }) => target)],
    ['tmpfs', spec.tmpfs.map((text) => text.split(':')[0] ?? '')],
    ['secrets', spec.secrets.map(({ target }) => target)],
    ['configs', spec.configs.map(({ target }) => target)],
  ] as const;
  for (const [key, targets] of parts) {
    for (const target of targets) {
      if (seen.has(target)) service.get(key).refuse(`${quote(target)} is used twice`);
      seen.add(target);
    }
  }
}
