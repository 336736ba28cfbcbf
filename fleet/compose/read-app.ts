import { isIP } from 'node:net';
import type { AppSpec, NetworkSpec, ServiceSpec, VolumeSpec } from '../service.ts';
import { isJob } from '../service.ts';
import { checkBounds } from './bounds.ts';
import { ProblemList, quote } from './compose-error.ts';
import { findCycle } from './dependency-cycle.ts';
import { Field } from './field.ts';
import { KEYS, type KeyTable } from './keys.ts';
import { readService } from './service.ts';

/** Maximum services of an app; also of its volumes, networks, configurations and secrets. */
const MOST_NAMES = 100;
/** A service name becomes part of container names, and a DNS name. */
const SERVICE_NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/;
const RESOURCE_NAME = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,62}$/;

/**
 * Reads a Compose document, as `parseCompose` makes it, into an app. The document may come from a stranger: the work is
 * linear in its size, which is bounded. Unknown and unsupported keys are refused. Throws ComposeError with the paths of
 * up to 20 problems.
 */
export function readApp(document: unknown): AppSpec {
  const problems = new ProblemList();
  checkBounds(document, problems);
  problems.throwIfAny();
  const root = new Field(document, [], problems).mapping(KEYS.root);
  if (!root.isPresent) root.refuse('must be a mapping with services');
  const services = readServices(root);
  const spec = {
    services,
    volumes: readVolumes(root, services),
    networks: readNetworks(root, services),
    configs: readConfigs(root, services),
  };
  const secrets = readSecrets(root, services);
  problems.throwIfAny();

  checkDependencies(root, services);
  problems.throwIfAny();
  const app = { ...spec, secrets: secrets.names, services: secrets.services };
  checkJobs(root, app);
  problems.throwIfAny();
  return { ...app, services: app.services.map((service) => withJobRestart(app, service)) };
}

function readServices(root: Field): readonly ServiceSpec[] {
  const field = root.get('services');
  const entries = named(field, SERVICE_NAME);
  if (entries.length === 0) field.refuse('has no service');
  return entries.flatMap((entry) => {
    // Services with profiles run only on request, and parseCompose has included the requested ones.
    if (entry.get('profiles').list().length > 0) return [];
    const service = readService(entry.key, entry);
    return service === undefined ? [] : [service];
  });
}

/** Returns the entries of a mapping after checking their names. */
function named(field: Field, form: RegExp): readonly Field[] {
  const entries = field.entries();
  if (entries.length > MOST_NAMES) {
    field.refuse(`has ${entries.length} entries: at most ${MOST_NAMES} are allowed`);
    return [];
  }
  return entries.filter((entry) => {
    // Names become keys of objects.
    if (form.test(entry.key) && !(entry.key in Object.prototype)) return true;
    entry.refuse(
      `${quote(entry.key)} is not a name: use at most 63 letters, digits, dots, dashes and underscores`,
    );
    return false;
  });
}

interface Use {
  readonly name: string;
  readonly at: Field;
}

/**
 * Returns the entries of a top-level mapping that services use, each checked. Using an undeclared name is a problem,
 * unless it is `implied`.
 */
function declared(
  root: Field,
  key: string,
  what: string,
  table: KeyTable,
  uses: readonly Use[],
  implied?: string,
) {
  const entries = named(root.get(key), RESOURCE_NAME).map((entry) => entry.mapping(table));
  const names = new Set(uses.map(({ name }) => name));
  const known = new Set(entries.map((entry) => entry.key));
  for (const { name, at } of uses) {
    if (!known.has(name) && name !== implied)
      at.refuse(`${what} ${quote(name)} is not declared under ${key}`);
  }
  return entries.filter((entry) => names.has(entry.key));
}

function usesOf(
  root: Field,
  services: readonly ServiceSpec[],
  key: string,
  names: (service: ServiceSpec) => readonly (string | undefined)[],
): readonly Use[] {
  return services.flatMap((service) =>
    names(service).flatMap((name) =>
      name === undefined ? [] : [{ name, at: root.get('services').get(service.name).get(key) }],
    ),
  );
}

function readVolumes(root: Field, services: readonly ServiceSpec[]): readonly VolumeSpec[] {
  const uses = usesOf(root, services, 'volumes', ({ mounts }) =>
    mounts.map((mount) => (mount.type === 'volume' ? mount.volume : undefined)),
  );
  return declared(root, 'volumes', 'volume', KEYS.volume, uses).map((volume) => {
    volume.get('driver').oneOf(['local']);
    return {
      name: volume.key,
      exclusive: volume.get('x-berth').mapping(KEYS['volume x-berth']).get('exclusive').boolean() ?? false,
      ...readExternal(root, volume),
      labels: volume.get('labels').record(''),
    };
  });
}

function readNetworks(root: Field, services: readonly ServiceSpec[]): readonly NetworkSpec[] {
  const uses = usesOf(root, services, 'networks', ({ networks }) => networks.map(({ network }) => network));
  const networks = declared(root, 'networks', 'network', KEYS.network, uses, 'default').map((network) => {
    const driver = network.get('driver');
    if (driver.value === 'overlay') driver.refuse('must be bridge: a network belongs to a host');
    else driver.oneOf(['bridge', 'default']);
    if (network.get('enable_ipv4').boolean() === false) network.get('enable_ipv4').refuse('must be true');
    const isIpv6 = network.get('enable_ipv6').boolean() ?? false;
    const ipam = network.get('ipam');
    if (ipam.value !== undefined && Object.keys(Object(ipam.value)).length > 0) {
      ipam.refuse('hosts choose the addresses: remove it');
    }
    const external = readExternal(root, network);
    if (external.external === 'host') network.refuse('is the network of the host: write network_mode: host');
    return {
      name: network.key,
      internal: network.get('internal').boolean() ?? false,
      ...(isIpv6 && { ipv6: true }),
      ...readNetworkOptions(network.get('driver_opts')),
      ...external,
      labels: network.get('labels').record(''),
    };
  });
  const needsDefault =
    uses.some(({ name }) => name === 'default') && !networks.some(({ name }) => name === 'default');
  return needsDefault ? [...networks, { name: 'default', internal: false, labels: {} }] : networks;
}

const BRIDGE = 'com.docker.network.bridge.';
const MTU = 'com.docker.network.driver.mtu';
const SWITCHES = [`${BRIDGE}enable_icc`, `${BRIDGE}enable_ip_masquerade`];
const HOST_BINDING = `${BRIDGE}host_binding_ipv4`;

/** Reads `driver_opts` of a network: the bridge options that affect only its containers. */
function readNetworkOptions(field: Field): Pick<NetworkSpec, 'options'> {
  const options: [string, string][] = [];
  for (const item of field.entries()) {
    const { key } = item;
    const text = item.text() ?? '';
    const isKnown = key === MTU || key === HOST_BINDING || SWITCHES.includes(key);
    if (!isKnown) item.refuse(`unknown option: known are ${[MTU, ...SWITCHES, HOST_BINDING].join(', ')}`);
    else if (
      key === MTU &&
      !/^(?:[1-9]\d{2,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])$/.test(text)
    )
      item.refuse('must be a number of bytes, such as 1450');
    else if (key === HOST_BINDING && isIP(text) !== 4) item.refuse('must be an IPv4 address');
    else if (SWITCHES.includes(key) && text !== 'true' && text !== 'false')
      item.refuse('must be true or false');
    else options.push([key, text]);
  }
  return options.length === 0 ? {} : { options: Object.fromEntries(options) };
}

/**
 * Reads `external: true`, with a different name on the host if given, or the older `external: {name: …}`. `docker
 * compose config` writes the name that Compose would generate, PROJECT_KEY.
 */
function readExternal(root: Field, entry: Field): { readonly external?: string } {
  const external = entry.get('external');
  const inner = external.isObject ? external.get('name').string() : undefined;
  const isExternal = external.isObject || external.boolean() === true;
  const name = inner ?? entry.get('name').string();
  if (name !== undefined && !RESOURCE_NAME.test(name))
    entry.get('name').refuse(`${quote(name)} is not a name`);
  if (isExternal) return { external: name ?? entry.key };
  if (name !== undefined && name !== `${root.get('name').value}_${entry.key}`)
    entry
      .get('name')
      .refuse('is allowed only with external: true: Berth chooses the names of what it creates');
  return {};
}

function readConfigs(root: Field, services: readonly ServiceSpec[]): AppSpec['configs'] {
  const uses = usesOf(root, services, 'configs', ({ configs }) => configs.map(({ source }) => source));
  return declared(root, 'configs', 'configuration', KEYS.config, uses).map((config) => {
    for (const key of ['file', 'environment']) {
      if (config.get(key).isPresent)
        config.get(key).refuse('is read by `berth deploy`: send content instead');
    }
    const content = config.get('content').string();
    if (!config.get('content').isPresent) config.refuse('content is missing');
    readExternal(root, config);
    return { name: config.key, content: content ?? '' };
  });
}

/** Returns the names of the secrets for `berth secret set`, and the services with these names. */
function readSecrets(root: Field, services: readonly ServiceSpec[]) {
  const uses = [
    ...usesOf(root, services, 'secrets', ({ secrets }) => secrets.map(({ source }) => source)),
    ...usesOf(root, services, 'x-berth', ({ route }) => [tlsSecret(route)]),
  ];
  const renamed = new Map(
    declared(root, 'secrets', 'secret', KEYS.secret, uses).map((secret) => {
      const name = readExternal(root, secret).external;
      if (secret.get('external').value === false) secret.get('external').refuse('must be true, or absent');
      return [secret.key, name ?? secret.key];
    }),
  );
  const nameOf = (secret: string) => renamed.get(secret) ?? secret;
  return {
    names: [...new Set(renamed.values())],
    services: services.map((service) => ({
      ...service,
      secrets: service.secrets.map((use) => ({ ...use, source: nameOf(use.source) })),
      ...(service.route === undefined ? {} : { route: withTlsSecret(service.route, nameOf) }),
    })),
  };
}

function tlsSecret(route: ServiceSpec['route']): string | undefined {
  return route?.kind === 'http' && route.tls.kind === 'secret' ? route.tls.secret : undefined;
}

function withTlsSecret(
  route: NonNullable<ServiceSpec['route']>,
  nameOf: (secret: string) => string,
): typeof route {
  const secret = tlsSecret(route);
  if (secret === undefined || route.kind !== 'http') return route;
  return { ...route, tls: { kind: 'secret', secret: nameOf(secret) } };
}

function checkDependencies(root: Field, services: readonly ServiceSpec[]): void {
  const names = new Set(services.map(({ name }) => name));
  for (const { name, dependsOn } of services) {
    const at = root.get('services').get(name).get('depends_on');
    for (const { service, required } of dependsOn) {
      if (required && !names.has(service)) at.refuse(`there is no service ${quote(service)}`);
    }
  }
  const cycle = findCycle(
    new Map(services.map(({ name, dependsOn }) => [name, dependsOn.map((one) => one.service)])),
  );
  if (cycle === undefined) return;
  const [first = ''] = cycle;
  root
    .get('services')
    .get(first)
    .get('depends_on')
    .refuse(`is a cycle: ${[...cycle, first].join(' -> ')}`);
}

/** A completed service is not restarted; only a failed job may be. */
function withJobRestart(app: AppSpec, service: ServiceSpec): ServiceSpec {
  if (!isJob(app, service.name) || service.restart.name === 'on-failure') return service;
  return { ...service, restart: { name: 'no', maximumRetryCount: 0 } };
}

/** A job runs once to completion, on one host. */
function checkJobs(root: Field, app: AppSpec): void {
  for (const { name, route, replicas } of app.services) {
    if (!isJob(app, name)) continue;
    const at = root.get('services').get(name);
    const job = 'another service waits until this one has completed, so it is a job';
    if (route !== undefined) at.refuse(`${job}: it cannot have a route`);
    if (replicas !== undefined && replicas !== 1) at.refuse(`${job}: it runs once, and cannot have replicas`);
  }
}
