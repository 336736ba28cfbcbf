import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { S3Settings } from '../storage/blobs/s3/s3-settings.ts';
import { DEFAULT_GRACE } from '../storage/gc/garbage-policy.ts';
import { ConfigError } from './config-error.ts';
import { parseDuration } from './duration.ts';
import type { RedirectRules } from './http/redirect-rules.ts';
import { parseTrustedProxies, type TrustedProxies } from './http/trusted-proxies.ts';
import { parseRedirects, parseStorage } from './storage-config.ts';
import type { CertificateFiles } from './tls/certificate.ts';
import { parseTokenConfig, type TokenConfig } from './token-config.ts';

/** Timers of Node count to 2^31 milliseconds. */
const LONGEST_INTERVAL = 24 * 24 * 60 * 60 * 1000;

const LONGEST_DELAY = 5 * 60 * 1000;

export { ConfigError };

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const AUTH_MODES = ['accounts', 'token', 'none'] as const;
/** `token`: another token server says who may do what. `none`: everybody may do everything. */
export type AuthMode = (typeof AUTH_MODES)[number];

export interface ListenAddress {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

export interface TlsConfig {
  readonly files: CertificateFiles;
  /** Where clients of plain HTTP are sent on; absent: nowhere. */
  readonly redirect?: ListenAddress;
  /** Whether browsers are told to use nothing but HTTPS for a year. */
  readonly hsts: boolean;
}

export interface Config {
  readonly listen: ListenAddress;
  /** Absent: plain HTTP. */
  readonly tls?: TlsConfig;
  /** Where Prometheus asks; absent: nowhere. */
  readonly metrics?: ListenAddress;
  /** Absolute path of the folder that holds everything that is not kept elsewhere. */
  readonly data: string;
  /** `postgres://…`, where the catalog and the accounts are; absent: in the data folder. A secret: it may hold a password. */
  readonly database?: string;
  /** Where blobs lie; absent: in the data folder. */
  readonly storage?: S3Settings;
  /** Which clients fetch blobs from there themselves; absent: none. */
  readonly redirects?: RedirectRules;
  readonly auth: AuthMode;
  readonly tokens: TokenConfig;
  readonly logLevel: LogLevel;
  /** Milliseconds for which the server goes on after it was told to stop, so that whoever sends requests notices. */
  readonly shutdownDelay: number;
  /** Whether tags, manifests and blobs can be deleted. */
  readonly deletes: boolean;
  /** Milliseconds between two garbage collections; absent: none by itself. */
  readonly gcInterval?: number;
  /** Milliseconds for which those keep what nothing refers to. */
  readonly gcGrace: number;
  /** Whether those delete manifests without a tag as well. */
  readonly gcUntagged: boolean;
  /** Milliseconds for which it is known who did what. */
  readonly auditRetention: number;
  /** Whether webhooks may be on this machine and in private networks. */
  readonly webhookPrivate: boolean;
  /** Such as `https://ui.example:8443`, or `*`. */
  readonly corsOrigins: readonly string[];
  /** Before `/v2/` in every path; '' or a path that begins with a slash and does not end with one. */
  readonly pathPrefix: string;
  /** Whose forwarded headers are believed. */
  readonly trustedProxies: TrustedProxies;
  /** The administrator's password at first start. A secret: from the environment only, never logged. */
  readonly adminPassword?: string;
}

/** Settings as text, as flags, environment and file give them. */
type Settings = { readonly [Name in SettingName]?: string | undefined };
const SETTING_NAMES = [
  'listen',
  'data',
  'database',
  'storage',
  'redirect',
  'auth',
  'logLevel',
  'tlsCert',
  'tlsKey',
  'httpRedirect',
  'hsts',
  'metrics',
  'deletes',
  'gcInterval',
  'gcGrace',
  'gcUntagged',
  'auditRetention',
  'webhookPrivate',
  'corsOrigin',
  'pathPrefix',
  'shutdownDelay',
  'trustedProxy',
  'challenge',
  'tokenIssuer',
  'tokenJwks',
  'tokenLife',
  'tokenLimit',
  'tokenRealm',
  'tokenService',
] as const;
/** These may be given more than once: as text they are separated by commas, in the file they may be arrays. */
const LIST_NAMES: readonly string[] = [
  'corsOrigin',
  'redirect',
  'trustedProxy',
  'tokenService',
] satisfies SettingName[];
type SettingName = (typeof SETTING_NAMES)[number];

export interface ConfigSources {
  readonly flags: Settings & { readonly config?: string | undefined };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isRoot: boolean;
}

/** Reads the configuration, once: flags win over BERTH_* variables, those over the file. Throws ConfigError. */
export function loadConfig({ flags, env, isRoot }: ConfigSources): Config {
  const file = flags.config === undefined ? {} : readConfigFile(flags.config);
  const environment: Settings = {
    listen: env.BERTH_LISTEN,
    data: env.BERTH_DATA,
    database: env.BERTH_DATABASE,
    storage: env.BERTH_STORAGE,
    redirect: env.BERTH_REDIRECT,
    auth: env.BERTH_AUTH,
    logLevel: env.BERTH_LOG_LEVEL,
    tlsCert: env.BERTH_TLS_CERT,
    tlsKey: env.BERTH_TLS_KEY,
    httpRedirect: env.BERTH_HTTP_REDIRECT,
    hsts: env.BERTH_HSTS,
    metrics: env.BERTH_METRICS,
    deletes: env.BERTH_DELETES,
    gcInterval: env.BERTH_GC_INTERVAL,
    gcGrace: env.BERTH_GC_GRACE,
    gcUntagged: env.BERTH_GC_UNTAGGED,
    auditRetention: env.BERTH_AUDIT_RETENTION,
    webhookPrivate: env.BERTH_WEBHOOK_PRIVATE,
    corsOrigin: env.BERTH_CORS_ORIGIN,
    pathPrefix: env.BERTH_PATH_PREFIX,
    shutdownDelay: env.BERTH_SHUTDOWN_DELAY,
    trustedProxy: env.BERTH_TRUSTED_PROXY,
    challenge: env.BERTH_CHALLENGE,
    tokenIssuer: env.BERTH_TOKEN_ISSUER,
    tokenJwks: env.BERTH_TOKEN_JWKS,
    tokenLife: env.BERTH_TOKEN_LIFE,
    tokenLimit: env.BERTH_TOKEN_LIMIT,
    tokenRealm: env.BERTH_TOKEN_REALM,
    tokenService: env.BERTH_TOKEN_SERVICE,
  };
  const setting = (name: SettingName) => flags[name] ?? environment[name] ?? file[name];
  const data = setting('data') ?? defaultData(env, isRoot);
  if (data === '') throw new ConfigError('the data folder has an empty name: give --data a path');
  const storage = parseStorage(setting('storage'));
  const redirects = parseRedirects(listOf(setting('redirect')), storage);
  const adminPassword = env.BERTH_ADMIN_PASSWORD;
  const database = setting('database');
  const metrics = setting('metrics');
  const auth = oneOf('auth', setting('auth') ?? 'accounts', AUTH_MODES);
  const tls = parseTls(setting);
  const gcInterval = parseInterval(setting('gcInterval') ?? '24h');
  return Object.freeze({
    listen: parseListen(setting('listen') ?? '127.0.0.1:5000'),
    data: resolve(data),
    auth,
    tokens: parseTokenConfig(
      {
        outside: auth === 'token',
        challenge: setting('challenge'),
        issuer: setting('tokenIssuer'),
        jwks: setting('tokenJwks'),
        life: setting('tokenLife'),
        limit: setting('tokenLimit'),
        realm: setting('tokenRealm'),
        services: listOf(setting('tokenService')),
      },
      (path) => readFileSync(path, 'utf8'),
    ),
    logLevel: oneOf('log level', setting('logLevel') ?? 'info', LOG_LEVELS),
    gcGrace: parseGrace(setting('gcGrace')),
    gcUntagged: oneOf('setting of gc-untagged', setting('gcUntagged') ?? 'off', ['on', 'off']) === 'on',
    auditRetention: parseRetention(setting('auditRetention') ?? '90d'),
    webhookPrivate:
      oneOf('setting of webhook-private', setting('webhookPrivate') ?? 'off', ['on', 'off']) === 'on',
    deletes: oneOf('setting of deletes', setting('deletes') ?? 'on', ['on', 'off']) === 'on',
    corsOrigins: parseOrigins(listOf(setting('corsOrigin'))),
    pathPrefix: parsePathPrefix(setting('pathPrefix') ?? ''),
    shutdownDelay: parseDelay(setting('shutdownDelay') ?? '0s'),
    trustedProxies: parseProxies(listOf(setting('trustedProxy'))),
    ...(database !== undefined && { database: parseDatabase(database) }),
    ...(tls !== undefined && { tls }),
    ...(storage !== undefined && { storage }),
    ...(redirects !== undefined && { redirects }),
    ...(gcInterval !== undefined && { gcInterval }),
    ...(metrics !== undefined && { metrics: parseListen(metrics) }),
    ...(adminPassword !== undefined && { adminPassword }),
  });
}

function parseTls(setting: (name: SettingName) => string | undefined): TlsConfig | undefined {
  const certificate = setting('tlsCert');
  const key = setting('tlsKey');
  const redirect = setting('httpRedirect');
  const hsts = setting('hsts');
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

/** Milliseconds; undefined for `off`. */
function parseInterval(text: string): number | undefined {
  if (text === 'off') return undefined;
  const interval = parseDuration(text);
  if (interval === undefined || interval < 60_000 || interval > LONGEST_INTERVAL) {
    throw new ConfigError(
      `"${text}" is no interval of garbage collections: write off, or 1m to 24d, such as 24h`,
    );
  }
  return interval;
}

/** Milliseconds. Throws ConfigError. */
export function parseGrace(text: string | undefined): number {
  const grace = text === undefined ? DEFAULT_GRACE : parseDuration(text);
  if (grace === undefined) {
    throw new ConfigError(`"${text}" is no grace period: write a number and s, m, h or d, such as 24h`);
  }
  return grace;
}

/** Milliseconds. */
function parseRetention(text: string): number {
  const retention = parseDuration(text);
  if (retention === undefined || retention < 60_000) {
    throw new ConfigError(`"${text}" is no time to keep the audit log for: write 1m or more, such as 90d`);
  }
  return retention;
}

/** Milliseconds. */
function parseDelay(text: string): number {
  const delay = parseDuration(text);
  if (delay === undefined || delay > LONGEST_DELAY) {
    throw new ConfigError(`"${text}" is no delay of the end: write 0s to 5m, such as 5s`);
  }
  return delay;
}

/** Throws ConfigError, which does not repeat the text: it may hold a password. */
export function parseDatabase(text: string): string {
  const url = URL.parse(text);
  const isPostgres = url?.protocol === 'postgres:' || url?.protocol === 'postgresql:';
  if (!isPostgres || url.pathname.length < 2) {
    throw new ConfigError(
      'the database is not given as a URL of PostgreSQL: write postgres://USER:PASSWORD@HOST:PORT/DATABASE',
    );
  }
  return text;
}

function parseListen(text: string): ListenAddress {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) {
    throw new ConfigError(
      `"${text}" is not an address to listen on: write HOST:PORT, such as 127.0.0.1:5000, or 0.0.0.0:5000 for all networks`,
    );
  }
  return Object.freeze({ host, port });
}

function listOf(text: string | undefined): readonly string[] {
  return (text ?? '').split(',').flatMap((part) => part.trim() || []);
}

function parseOrigins(origins: readonly string[]): readonly string[] {
  for (const origin of origins) {
    if (origin !== '*' && URL.parse(origin)?.origin !== origin) {
      throw new ConfigError(
        `"${origin}" is not the origin of a page: write SCHEME://HOST[:PORT] without a path, or * for all`,
      );
    }
  }
  return Object.freeze([...origins]);
}

function parsePathPrefix(text: string): string {
  const prefix = text.replace(/\/+$/, '');
  if (prefix !== '' && !/^(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)+$/.test(prefix)) {
    throw new ConfigError(`"${text}" is not a path prefix: write it as /registry`);
  }
  return prefix;
}

function parseProxies(networks: readonly string[]): TrustedProxies {
  try {
    return parseTrustedProxies(networks);
  } catch (cause) {
    throw new ConfigError(`a trusted proxy: ${(cause as Error).message}`, { cause });
  }
}

function oneOf<Value extends string>(what: string, text: string, values: readonly Value[]): Value {
  const value = values.find((candidate) => candidate === text);
  if (value === undefined) {
    throw new ConfigError(`"${text}" is not a known ${what}: choose one of ${values.join(', ')}`);
  }
  return value;
}

function defaultData(env: ConfigSources['env'], isRoot: boolean): string {
  if (isRoot) return '/var/lib/berth';
  if (env.XDG_DATA_HOME) return join(env.XDG_DATA_HOME, 'berth');
  if (env.HOME) return join(env.HOME, '.local/share/berth');
  throw new ConfigError('there is no home directory to keep data in: give --data a path');
}

function readConfigFile(path: string): Settings {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    const why =
      cause instanceof SyntaxError
        ? `is not JSON (${cause.message})`
        : `cannot be read (${(cause as NodeJS.ErrnoException).code})`;
    throw new ConfigError(`the configuration file ${path} ${why}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigError(`the configuration file ${path} must hold a JSON object`);
  }
  const settings: Record<string, string> = {};
  for (const [key, entry] of Object.entries(value)) {
    if (!SETTING_NAMES.some((name) => name === key)) {
      throw new ConfigError(
        `the configuration file ${path} has the unknown key "${key}": known are ${SETTING_NAMES.join(', ')}`,
      );
    }
    const isList = LIST_NAMES.includes(key) && Array.isArray(entry);
    if (typeof entry !== 'string' && !(isList && entry.every((part) => typeof part === 'string'))) {
      throw new ConfigError(`the configuration file ${path}: "${key}" must be a string`);
    }
    settings[key] = String(entry);
  }
  return settings;
}
