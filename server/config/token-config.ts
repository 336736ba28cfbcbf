import type { JSONWebKeySet } from 'jose';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { parseDuration } from './duration.ts';

/** Minimum lifetime in seconds; docker assumes at least 60, whatever the token states. */
const SHORTEST_LIFE = 60;
/** Default tokens per minute; a machine that pulls a hundred images requests a few hundred. */
const USUAL_LIMIT = 6000;
const LONGEST_LIFE = 60 * 60;

/** How clients are challenged, and which tokens are accepted. */
export interface TokenConfig {
  /** `basic`: clients send user and password with each request. */
  readonly challenge: 'bearer' | 'basic';
  /** Lifetime of a token of this registry's own token server, seconds. */
  readonly life: number;
  /** Maximum tokens that an account may request per minute; absent for no limit. */
  readonly limit?: number;
  /** Audiences of tokens; the first is this registry, the others may verify tokens with its keys. */
  readonly services: readonly [string, ...string[]];
  readonly issuer: string;
  /** Absolute URL of the token server; if absent, this server under the name that the client uses. */
  readonly realm?: string;
  /** Keys of an external token server. */
  readonly outsideKeys?: OutsideKeys;
}

/** The public keys (RFC 7517, section 5), or their URL. */
export type OutsideKeys = { readonly url: URL } | { readonly set: JSONWebKeySet };

/** Settings as text. */
export interface TokenSettings {
  /** Whether another token server is used. */
  readonly outside: boolean;
  readonly challenge: string | undefined;
  readonly issuer: string | undefined;
  readonly jwks: string | undefined;
  readonly life: string | undefined;
  readonly limit: string | undefined;
  readonly realm: string | undefined;
  readonly services: readonly string[];
}

/** `readFile` returns the text of a file. Throws ConfigError. */
export function parseTokenConfig(settings: TokenSettings, readFile: (path: string) => string): TokenConfig {
  const { outside, challenge = 'bearer', issuer = 'berth', jwks, realm } = settings;
  const [service = 'berth', ...others] = settings.services;
  if (challenge !== 'bearer' && challenge !== 'basic') {
    throw new ConfigError(`"${challenge}" is not a known challenge: choose bearer or basic`);
  }
  if (!outside && jwks !== undefined) {
    throw new ConfigError('--token-jwks is for another token server: use it with --auth token');
  }
  if (outside && (jwks === undefined || realm === undefined || settings.issuer === undefined)) {
    throw new ConfigError(
      '--auth token needs --token-realm (the URL of the token server), --token-issuer and --token-jwks (its keys)',
    );
  }
  for (const name of [issuer, service, ...others]) {
    if (!/^[\x21-\x7e]{1,255}$/.test(name) || /["\\]/.test(name)) {
      throw new ConfigError(`"${name}" cannot name an issuer or a service: use letters, digits and :/._-`);
    }
  }
  return Object.freeze({
    challenge,
    issuer,
    life: parseLife(settings.life ?? '5m'),
    ...parseLimit(settings.limit ?? `${USUAL_LIMIT}`),
    services: [service, ...others] as const,
    ...(realm !== undefined && { realm: parseRealm(realm) }),
    ...(jwks !== undefined && { outsideKeys: parseKeys(jwks, readFile) }),
  });
}

function parseLife(text: string): number {
  const life = (parseDuration(text) ?? 0) / 1000;
  if (life < SHORTEST_LIFE || life > LONGEST_LIFE) {
    throw new ConfigError(`"${text}" is not a valid token lifetime: write 1m to 60m, such as 5m`);
  }
  return life;
}

function parseLimit(text: string): { readonly limit?: number } {
  if (!/^\d{1,9}$/.test(text)) {
    throw new ConfigError(
      `"${text}" is not a limit of tokens: write the number that an account may request per minute`,
    );
  }
  return Number(text) === 0 ? {} : { limit: Number(text) };
}

function parseRealm(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || /["\\\s]/.test(text)) {
    throw new ConfigError(`"${text}" is not the URL of a token server: write it as https://HOST/token`);
  }
  return text;
}

/** Parses the key set: a URL, or the path of a file. */
function parseKeys(text: string, readFile: (path: string) => string): OutsideKeys {
  if (/^https?:\/\//.test(text)) {
    const url = URL.parse(text);
    if (url === null) throw new ConfigError(`"${text}" is not the URL of a key set`);
    return { url };
  }
  try {
    const set: unknown = JSON.parse(readFile(text));
    if (isKeySet(set)) return { set };
  } catch (cause) {
    throw new ConfigError(`the key set ${text} cannot be read: ${(cause as Error).message}`, { cause });
  }
  throw new ConfigError(`the key set ${text} has no list of "keys" (RFC 7517)`);
}

function isKeySet(value: unknown): value is JSONWebKeySet {
  return (
    typeof value === 'object' &&
    value !== null &&
    'keys' in value &&
    Array.isArray(value.keys) &&
    value.keys.length > 0
  );
}
