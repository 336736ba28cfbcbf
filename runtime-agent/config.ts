import { resolve } from 'node:path';
import {
  PROXY_FORM,
  type ProxySettings,
  parseProxy,
  proxyVariable,
} from '../lib/http/proxies/proxy-settings.ts';
import { ConfigError } from '../lib/settings/config-error.ts';
import { parseSize } from '../lib/settings/parse-size.ts';
import { readEnvironment, readSettingsFile } from '../lib/settings/settings.ts';
import { readTraceConfig, type TraceConfig } from '../lib/tracing/start-tracing.ts';
import { parseMirror, type RegistryMirror } from '../oci/distribution/registry-mirror.ts';
import {
  DEFAULT_ENTITLEMENTS,
  ENTITLEMENTS,
  type Entitlement,
  isEntitlement,
} from './builder/entitlements.ts';
import { parseDuration } from './builder/frontend/parse/quantities.ts';
import { AGENT_SETTINGS, type AgentSettings } from './settings.ts';

/** The configuration of `berth-agent serve`, validated once at start. */
export interface AgentConfig {
  /** Where traces are sent; absent: nowhere. */
  readonly tracing?: TraceConfig;
  /** Absolute path of the unix socket that answers the Docker Engine API. */
  readonly socket: string;
  /** Group by name or number that may use the socket; undefined: root alone. */
  readonly socketGroup?: string;
  /** Absolute path of the folder that holds images, containers and the state. */
  readonly dataDirectory: string;
  /** `host` or `host:port` of registries that are reached over plain HTTP. */
  readonly insecureRegistries: readonly string[];
  /**
   * Whether compressed layers are deleted after unpacking: an image may then be pushed with other digests than it came
   * with.
   */
  readonly discardLayerBlobs: boolean;
  /** Mirrors of each registry, in order of preference. */
  readonly registryMirrors: readonly RegistryMirror[];
  /** Absolute paths of the files with the agent's own logins at registries; the first takes precedence. */
  readonly registryAuthFiles: readonly string[];
  /** Proxies for registries and for what builds fetch; undefined means direct connections. */
  readonly proxies?: ProxySettings;
  /** Maximum bytes of one layer of an image, uncompressed. */
  readonly layerLimit: number;
  /** Maximum bytes of the context of one build, uncompressed. */
  readonly buildContextLimit: number;
  /** Maximum bytes of the build cache; the oldest records are pruned first. */
  readonly buildCacheLimit: number;
  /** Entitlements that clients may grant to builds. */
  readonly allowedEntitlements: readonly Entitlement[];
  readonly logLevel: LogLevel;
  /** Milliseconds without a turn of the event loop after which the process ends; undefined disables the watchdog. */
  readonly watchdog?: number;
  /** Where routes of the fleet's apps are served; undefined means nowhere. */
  readonly ingress?: IngressConfig;
  /** Where the API is served over TCP to clients with a certificate; undefined means only on the socket. */
  readonly tcp?: TcpConfig;
  /** Where metrics are served to Prometheus. */
  readonly metrics?: ListenAddress;
}

export interface IngressConfig {
  readonly plain: readonly { readonly address: string; readonly port: number }[];
  readonly secure: readonly { readonly address: string; readonly port: number }[];
  /** Absolute path of the folder with `HOST.crt` and `HOST.key`. */
  readonly certificates?: string;
  /** Directory URL of an ACME authority. */
  readonly acme?: string;
}

/** An address of this host. */
export interface ListenAddress {
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
}

/** Every connection is encrypted, and each client shows a certificate that `authority` has signed. */
export interface TcpConfig extends ListenAddress {
  /** Absolute paths of PEM files. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Values from the command line. */
export type ConfigFlags = AgentSettings & { readonly config?: string };

/** The socket unless another is set. */
export const DEFAULT_SOCKET = '/run/berth-agent.sock';
const DEFAULT_LAYER_LIMIT = '100g';
const DEFAULT_BUILD_LIMIT = '20g';
const LONGEST_STALL = 60 * 60 * 1000;
/** The data folder unless another is set. */
export const DEFAULT_DATA = '/var/lib/berth-agent';
/** Maximum bytes of a socket path: `sun_path` of unix(7) holds 108 bytes including its end. */
const SOCKET_PATH_LIMIT = 107;
/**
 * Reads the configuration. Command-line flags take precedence over `BERTH_AGENT_*`, those over the file, that over
 * HTTP_PROXY and similar variables, and those over the defaults. Reads only the configuration file. Throws ConfigError.
 */
export function readConfig(
  flags: ConfigFlags,
  environment: Readonly<Record<string, string | undefined>>,
): AgentConfig {
  const { config, ...options } = flags;
  const file = config === undefined ? {} : readSettingsFile(AGENT_SETTINGS, config);
  const merged: AgentSettings = { ...file, ...readEnvironment(AGENT_SETTINGS, environment), ...options };
  const socket = absolute(merged.socket ?? DEFAULT_SOCKET, '--socket');
  if (Buffer.byteLength(socket) > SOCKET_PATH_LIMIT) {
    throw new ConfigError(
      `the socket path ${socket} is longer than the ${SOCKET_PATH_LIMIT} bytes that Linux allows: choose a shorter one.`,
    );
  }
  const tcp = readTcp(merged);
  const metrics = merged.metrics === undefined ? undefined : readMetrics(merged.metrics);
  const ingress = readIngress(merged);
  const tracing = readTraceConfig(merged);
  const watchdog = watchdogLimit(merged.watchdog ?? '10s');
  const proxies = readProxies(merged, environment);
  const insecureRegistries = (merged.insecureRegistries ?? []).map(registryHost);
  return Object.freeze({
    socket,
    ...(merged.socketGroup === undefined
      ? {}
      : { socketGroup: nonEmpty(merged.socketGroup, '--socket-group') }),
    dataDirectory: absolute(merged.data ?? DEFAULT_DATA, '--data'),
    insecureRegistries: Object.freeze(insecureRegistries),
    ...(tracing !== undefined && { tracing }),
    discardLayerBlobs: merged.discardLayerBlobs ?? false,
    registryMirrors: Object.freeze((merged.registryMirrors ?? []).map(registryMirror)),
    registryAuthFiles: Object.freeze(
      (merged.registryAuthFiles ?? []).map((path) => absolute(path, '--registry-auth')),
    ),
    ...(proxies !== undefined && { proxies: Object.freeze(proxies) }),
    layerLimit: size(merged.layerLimit ?? DEFAULT_LAYER_LIMIT, '--layer-limit'),
    buildContextLimit: size(merged.buildContextLimit ?? DEFAULT_BUILD_LIMIT, '--build-context-limit'),
    buildCacheLimit: size(merged.buildCacheLimit ?? DEFAULT_BUILD_LIMIT, '--build-cache-limit'),
    allowedEntitlements: Object.freeze(entitlements(merged.allowBuild)),
    logLevel: logLevel(merged.logLevel ?? 'info'),
    ...(watchdog !== undefined && { watchdog }),
    ...(ingress !== undefined && { ingress: Object.freeze(ingress) }),
    ...(tcp !== undefined && { tcp: Object.freeze(tcp) }),
    ...(metrics !== undefined && { metrics: Object.freeze(metrics) }),
  });
}

function size(text: string, option: string): number {
  const bytes = parseSize(text.trim(), 'binary');
  if (bytes === undefined || bytes === 0) {
    throw new ConfigError(`"${text}" is not a size: ${option} takes bytes or a unit, such as 20g.`);
  }
  return bytes;
}

function watchdogLimit(text: string): number | undefined {
  if (text === 'off') return undefined;
  const limit = (parseDuration(text) ?? 0) / 1e6;
  if (limit < 1000 || limit > LONGEST_STALL) {
    throw new ConfigError(
      `"${text}" is not a valid time limit: --watchdog takes off, or 1s to 1h, such as 10s.`,
    );
  }
  return limit;
}

function entitlements(names: readonly string[] | undefined): readonly Entitlement[] {
  if (names === undefined) return DEFAULT_ENTITLEMENTS;
  if (names.length === 1 && names[0] === 'none') return [];
  return names.map((name) => {
    if (isEntitlement(name)) return name;
    throw new ConfigError(
      `"${name}" cannot be allowed: --allow-build takes ${ENTITLEMENTS.join(', ')} or none.`,
    );
  });
}

function readProxies(
  flags: AgentSettings,
  environment: Readonly<Record<string, string | undefined>>,
): ProxySettings | undefined {
  const http = proxy(flags.httpProxy ?? proxyVariable(environment, 'HTTP_PROXY'), '--http-proxy');
  const https = proxy(flags.httpsProxy ?? proxyVariable(environment, 'HTTPS_PROXY'), '--https-proxy');
  const except = flags.noProxy ?? proxyVariable(environment, 'NO_PROXY');
  if (http === undefined && https === undefined) return undefined;
  return { ...(http !== undefined && { http }), ...(https !== undefined && { https }), except };
}

function proxy(text: string, flag: string): URL | undefined {
  if (text.trim() === '') return undefined;
  const url = parseProxy(text.trim());
  if (url !== undefined) return url;
  const variable = flag.slice(2).replace('-', '_').toUpperCase();
  throw new ConfigError(`the proxy of ${flag} or ${variable} cannot be used: ${PROXY_FORM}.`);
}

function readTcp(flags: AgentSettings): TcpConfig | undefined {
  const { listen, tlsAuthority, tlsCertificate, tlsKey } = flags;
  if (listen === undefined) {
    if ([tlsAuthority, tlsCertificate, tlsKey].every((file) => file === undefined)) return undefined;
    throw new ConfigError(
      '--tls-ca, --tls-cert and --tls-key belong to --listen HOST:PORT, which is missing.',
    );
  }
  const address = hostAndPort(listen);
  if (address === undefined) {
    throw new ConfigError(`"${listen}" is not an address: --listen takes HOST:PORT, such as 10.0.0.5:2376.`);
  }
  if (tlsAuthority === undefined || tlsCertificate === undefined || tlsKey === undefined) {
    throw new ConfigError(
      'anyone who may use the API is root on this host, so --listen needs certificates of both sides: give --tls-ca, --tls-cert and --tls-key.',
    );
  }
  return {
    ...address,
    authority: absolute(tlsAuthority, '--tls-ca'),
    certificate: absolute(tlsCertificate, '--tls-cert'),
    key: absolute(tlsKey, '--tls-key'),
  };
}

function readMetrics(text: string): ListenAddress {
  const address = hostAndPort(text);
  if (address !== undefined) return address;
  throw new ConfigError(`"${text}" is not an address: --metrics takes HOST:PORT, such as 127.0.0.1:9501.`);
}

/** Returns undefined if the text is not an address with a port. */
function hostAndPort(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^[\]:/\s]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port > 65535 ? undefined : { host, port };
}

function acmeDirectory(text: string): string {
  const url = URL.parse(text);
  if (url?.protocol === 'https:') return url.href;
  throw new ConfigError(
    `"${text}" is not a directory: --ingress-acme takes an HTTPS URL, such as https://acme-v02.api.letsencrypt.org/directory.`,
  );
}

function readIngress(flags: AgentSettings): IngressConfig | undefined {
  const { ingress = [], ingressTls = [], ingressCertificates, ingressAcme } = flags;
  if (ingressAcme !== undefined && (ingress.length === 0 || ingressTls.length === 0)) {
    throw new ConfigError(
      '--ingress-acme needs --ingress, where the authority verifies names, and --ingress-tls, where certificates are used.',
    );
  }
  if (ingress.length + ingressTls.length === 0) return undefined;
  const listens = (texts: readonly string[], flag: string) =>
    texts.map((text) => {
      const match = /^(?:\[([0-9a-fA-F:]+)\]|([^[\]:/\s]+)):(\d{1,5})$/.exec(text);
      const address = match?.[1] ?? match?.[2];
      const port = Number(match?.[3]);
      if (address === undefined || !(port > 0 && port < 65536)) {
        throw new ConfigError(
          `"${text}" is not an address: ${flag} takes HOST:PORT, such as *:80 or 10.0.0.5:80.`,
        );
      }
      return { address, port };
    });
  return {
    plain: listens(ingress, '--ingress'),
    secure: listens(ingressTls, '--ingress-tls'),
    ...(ingressCertificates !== undefined && {
      certificates: absolute(ingressCertificates, '--ingress-certificates'),
    }),
    ...(ingressAcme !== undefined && { acme: acmeDirectory(ingressAcme) }),
  };
}

function absolute(path: string, flag: string): string {
  return resolve(nonEmpty(path, flag));
}

function logLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((name) => name === text);
  if (level === undefined) {
    throw new ConfigError(`"${text}" is not a log level: --log-level takes ${LOG_LEVELS.join(', ')}.`);
  }
  return level;
}

function nonEmpty(text: string, flag: string): string {
  if (text.trim() === '' || text.includes('\0')) throw new ConfigError(`${flag} must not be empty.`);
  return text;
}

function registryMirror(text: string): RegistryMirror {
  const mirror = parseMirror(text);
  if (mirror !== undefined) return mirror;
  throw new ConfigError(
    `"${text}" is not a mirror: --registry-mirror takes [REGISTRY=]URL, such as https://mirror.lan or quay.io=https://mirror.lan:5000.`,
  );
}

function registryHost(text: string): string {
  const match = /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::(\d{1,5}))?$/.exec(text);
  const port = match?.[2];
  if (match === null || (port !== undefined && (Number(port) === 0 || Number(port) > 65535))) {
    throw new ConfigError(
      `"${text}" is not a registry host: --insecure-registry takes HOST or HOST:PORT, such as 127.0.0.1:5000.`,
    );
  }
  return text;
}
