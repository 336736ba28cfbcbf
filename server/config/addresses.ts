import { trimEndOf } from '../../lib/pattern/trim.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { parseTrustedProxies, type TrustedProxies } from '../http/forwarded.ts';

export interface ListenAddress {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** Parses `HOST:PORT`. Throws ConfigError. */
export function parseListen(text: string): ListenAddress {
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

/** Parses the URL of a database. Throws ConfigError, which does not quote the text: it may contain a password. */
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

/** Throws ConfigError. */
export function parseOrigins(origins: readonly string[]): readonly string[] {
  for (const origin of origins) {
    if (origin !== '*' && URL.parse(origin)?.origin !== origin) {
      throw new ConfigError(
        `"${origin}" is not the origin of a page: write SCHEME://HOST[:PORT] without a path, or * for all`,
      );
    }
  }
  return Object.freeze([...origins]);
}

/** Parses a path prefix: '' or a path that begins with a slash and does not end with one. Throws ConfigError. */
export function parsePathPrefix(text: string): string {
  const prefix = trimEndOf(text, '/');
  if (prefix !== '' && !/^(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)+$/.test(prefix)) {
    throw new ConfigError(`"${text}" is not a path prefix: write it as /registry`);
  }
  return prefix;
}

/** Throws ConfigError. */
export function parseProxies(networks: readonly string[]): TrustedProxies {
  try {
    return parseTrustedProxies(networks);
  } catch (cause) {
    throw new ConfigError(`a trusted proxy: ${(cause as Error).message}`, { cause });
  }
}
