import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type ChooseProxy, chooseProxy } from '../../lib/http/proxies/choose-proxy.ts';
import type { ProxySettings } from '../../lib/http/proxies/proxy-settings.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { readEnvironment, readSettingsFile, readVariable } from '../../lib/settings/settings.ts';
import { readTraceConfig, type TraceConfig } from '../../lib/tracing/start-tracing.ts';
import { parseS3Url, type S3Settings } from '../../storage/blobs/s3/s3-settings.ts';
import type { TrustedProxies } from '../http/forwarded.ts';
import { NEVER, parseRedirectRules, type RedirectRules } from '../http/redirect-rules.ts';
import type { CertificateFiles } from '../tls/certificate.ts';
import {
  type ListenAddress,
  parseDatabase,
  parseListen,
  parseOrigins,
  parsePathPrefix,
  parseProxies,
} from './addresses.ts';
import { readOutgoingProxies } from './outgoing-proxies.ts';
import { SETTINGS, type Settings } from './settings.ts';
import { parseDelay, parseGrace, parseInterval, parseRetention, parseWatchdog } from './times.ts';
import { parseTokenConfig, type TokenConfig } from './token-config.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const AUTH_MODES = ['accounts', 'token', 'none'] as const;
/** `token`: an external token server decides about access. `none`: everybody may do everything. */
export type AuthMode = (typeof AUTH_MODES)[number];

export interface TlsConfig {
  readonly files: CertificateFiles;
  /** Address whose clients of plain HTTP are redirected; absent if there is none. */
  readonly redirect?: ListenAddress;
  /** Whether browsers must use only HTTPS for a year. */
  readonly hsts: boolean;
}

export interface Config {
  readonly listen: ListenAddress;
  /** Absent for plain HTTP. */
  readonly tls?: TlsConfig;
  /** Where metrics are served to Prometheus; absent if they are not. */
  readonly metrics?: ListenAddress;
  /** Where traces are sent; absent: nowhere. */
  readonly tracing?: TraceConfig;
  /** Absolute path of the folder with everything that is not stored elsewhere. */
  readonly data: string;
  /** Absolute path of the key that seals the secrets of apps. */
  readonly secretsKey: string;
  /**
   * `postgres://…` of the catalog and the accounts; if absent, they are in the data folder. A secret: it may contain a
   * password.
   */
  readonly database?: string;
  /** Location of the blobs; if absent, the data folder. */
  readonly storage?: S3Settings;
  /** Clients that download blobs from there directly; absent for none. */
  readonly redirects?: RedirectRules;
  readonly auth: AuthMode;
  readonly tokens: TokenConfig;
  readonly logLevel: LogLevel;
  /** Milliseconds for which the server continues after it was told to stop, so that load balancers notice. */
  readonly shutdownDelay: number;
  /** Whether browsers are served pages. */
  readonly page: boolean;
  /** Whether tags, manifests and blobs can be deleted. */
  readonly deletes: boolean;
  /** Whether images can be neither pushed nor deleted. */
  readonly readOnly: boolean;
  /** Milliseconds between two garbage collections; absent disables them. */
  readonly gcInterval?: number;
  /** Milliseconds for which unreferenced content is kept. */
  readonly gcGrace: number;
  /** Whether they also delete manifests without a tag. */
  readonly gcUntagged: boolean;
  /** Milliseconds for which the audit log is kept. */
  readonly auditRetention: number;
  /** Whether accounts and rules are also copied beside the blobs, in case the database is lost. */
  readonly accountCopies: boolean;
  /** Whether webhooks may be on this machine and in private networks. */
  readonly webhookPrivate: boolean;
  /** Proxies for webhooks; absent: direct connections. */
  readonly outgoing?: ProxySettings;
  /** Such as `https://ui.example:8443`, or `*`. */
  readonly corsOrigins: readonly string[];
  /** Prefix of `/v2/` in every path; '' or a path that begins with a slash and does not end with one. */
  readonly pathPrefix: string;
  /** Milliseconds without a turn of the event loop after which the process ends; absent disables the watchdog. */
  readonly watchdog?: number;
  /** Proxies whose forwarded headers are believed. */
  readonly trustedProxies: TrustedProxies;
  /** The administrator's password at first start. A secret: from the environment only, never logged. */
  readonly adminPassword?: string;
}

type OnOffSetting = 'accountCopies' | 'deletes' | 'gcUntagged' | 'page' | 'readOnly' | 'webhookPrivate';

export interface ConfigSources {
  readonly flags: Settings & { readonly config?: string | undefined };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isRoot: boolean;
}

/**
 * Reads the configuration, once: flags take precedence over BERTH_* variables, and those over the file. Throws
 * ConfigError.
 */
export function loadConfig({ flags, env, isRoot }: ConfigSources): Config {
  const { config, ...options } = flags;
  const file = config === undefined ? {} : readSettingsFile(SETTINGS, config);
  const settings: Settings = { ...file, ...readEnvironment(SETTINGS, env), ...withoutUndefined(options) };
  const isOn = (name: OnOffSetting, usual: 'on' | 'off') =>
    oneOf(`setting of ${SETTINGS[name].option}`, settings[name] ?? usual, ['on', 'off']) === 'on';
  const data = settings.data ?? defaultData(env, isRoot);
  if (data === '') throw new ConfigError('the data folder has an empty name: give --data a path');
  const outgoing = readOutgoingProxies(env);
  const storage = parseStorage(settings.storage, chooseProxy(outgoing));
  const redirects = parseRedirects(settings.redirect ?? [], storage);
  const adminPassword = readVariable(env, 'BERTH_ADMIN_PASSWORD');
  const database = settings.database;
  const metrics = settings.metrics;
  const auth = oneOf('auth', settings.auth ?? 'accounts', AUTH_MODES);
  const tls = parseTls(settings);
  const tracing = readTraceConfig(settings);
  const watchdog = parseWatchdog(settings.watchdog ?? '10s');
  const gcInterval = parseInterval(settings.gcInterval ?? '24h');
  return Object.freeze({
    listen: parseListen(settings.listen ?? '127.0.0.1:5000'),
    data: resolve(data),
    secretsKey: resolve(settings.secretsKey ?? join(data, 'secrets.key')),
    auth,
    tokens: parseTokenConfig(
      {
        outside: auth === 'token',
        challenge: settings.challenge,
        issuer: settings.tokenIssuer,
        jwks: settings.tokenJwks,
        life: settings.tokenLife,
        limit: settings.tokenLimit,
        realm: settings.tokenRealm,
        services: settings.tokenService ?? [],
      },
      (path) => readFileSync(path, 'utf8'),
    ),
    logLevel: oneOf('log level', settings.logLevel ?? 'info', LOG_LEVELS),
    gcGrace: parseGrace(settings.gcGrace),
    gcUntagged: isOn('gcUntagged', 'off'),
    auditRetention: parseRetention(settings.auditRetention ?? '90d'),
    accountCopies: isOn('accountCopies', 'on'),
    webhookPrivate: isOn('webhookPrivate', 'off'),
    page: isOn('page', 'on'),
    deletes: isOn('deletes', 'on'),
    readOnly: isOn('readOnly', 'off'),
    corsOrigins: parseOrigins(settings.corsOrigin ?? []),
    pathPrefix: parsePathPrefix(settings.pathPrefix ?? ''),
    shutdownDelay: parseDelay(settings.shutdownDelay ?? '0s'),
    trustedProxies: parseProxies(settings.trustedProxy ?? []),
    ...(database !== undefined && { database: parseDatabase(database) }),
    ...(tls !== undefined && { tls }),
    ...(storage !== undefined && { storage }),
    ...(outgoing !== undefined && { outgoing }),
    ...(redirects !== undefined && { redirects }),
    ...(tracing !== undefined && { tracing }),
    ...(watchdog !== undefined && { watchdog }),
    ...(gcInterval !== undefined && { gcInterval }),
    ...(metrics !== undefined && { metrics: parseListen(metrics) }),
    ...(adminPassword !== undefined && { adminPassword }),
  });
}

function parseTls(settings: Settings): TlsConfig | undefined {
  const certificate = settings.tlsCert;
  const key = settings.tlsKey;
  const redirect = settings.httpRedirect;
  const hsts = settings.hsts;
  if (certificate === undefined || key === undefined) {
    const alone = [
      certificate && '--tls-cert',
      key && '--tls-key',
      redirect && '--http-redirect',
      hsts && '--hsts',
    ];
    const [first] = alone.flatMap((name) => name || []);
    if (first === undefined) return undefined;
    throw new ConfigError(
      `${first} needs both --tls-cert and --tls-key: give the certificate and its private key`,
    );
  }
  return {
    files: { certificate: resolve(certificate), key: resolve(key) },
    hsts: oneOf('setting of hsts', hsts ?? 'on', ['on', 'off']) === 'on',
    ...(redirect !== undefined && { redirect: parseListen(redirect) }),
  };
}

function oneOf<Value extends string>(what: string, text: string, values: readonly Value[]): Value {
  const value = values.find((candidate) => candidate === text);
  if (value === undefined) {
    throw new ConfigError(`"${text}" is not a known ${what}: choose one of ${values.join(', ')}`);
  }
  return value;
}

function withoutUndefined<Values extends object>(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Values;
}

function defaultData(env: ConfigSources['env'], isRoot: boolean): string {
  if (isRoot) return '/var/lib/berth';
  if (env.XDG_DATA_HOME) return join(env.XDG_DATA_HOME, 'berth');
  if (env.HOME) return join(env.HOME, '.local/share/berth');
  throw new ConfigError('there is no home directory for the data: set --data');
}

/** Reads the location of the blobs outside the data folder, if any, and how to reach it. Throws ConfigError. */
function parseStorage(text: string | undefined, choose?: ChooseProxy): S3Settings | undefined {
  if (text === undefined) return undefined;
  try {
    return parseS3Url(text, choose);
  } catch (cause) {
    // The text may contain a secret.
    throw new ConfigError(`--storage cannot be used: ${(cause as Error).message}`, { cause });
  }
}

/** Reads which clients are redirected to the storage; undefined for none. Throws ConfigError. */
function parseRedirects(
  rules: readonly string[],
  storage: S3Settings | undefined,
): RedirectRules | undefined {
  let redirects: RedirectRules;
  try {
    redirects = parseRedirectRules(rules);
  } catch (cause) {
    throw new ConfigError(`--redirect: ${(cause as Error).message}`, { cause });
  }
  if (redirects === NEVER) return undefined;
  if (storage === undefined) {
    throw new ConfigError(
      '--redirect needs a storage that clients can reach: give --storage, or leave it out',
    );
  }
  return redirects;
}
