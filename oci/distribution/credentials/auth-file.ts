import { trimEndOf } from '../../../lib/pattern/trim.ts';
import { DistributionError } from '../errors.ts';
import type { RegistryCredentials } from './registry-credentials.ts';

/** The credentials and helpers in a docker config.json or containers auth.json. */
export interface AuthFile {
  /** By the key in the file: `host`, `host/path`, or a URL. */
  readonly auths: ReadonlyMap<string, RegistryCredentials>;
  /** The credential helper for all registries. */
  readonly credsStore: string | undefined;
  /** The credential helpers for single registries. */
  readonly credHelpers: ReadonlyMap<string, string>;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Parses such a file, ignoring other fields. Throws DistributionError 'registry' with a message that names `path` and
 * quotes nothing from the file.
 */
export function parseAuthFile(text: string, path: string): AuthFile {
  const unusable = (why: string) =>
    new DistributionError(
      'registry',
      `the file ${path} with the logins of registries cannot be used: ${why}`,
    );
  const objectOf = (value: unknown, what: string): Fields => {
    if (value === undefined || value === null) return {};
    if (typeof value !== 'object' || Array.isArray(value)) throw unusable(`${what} is not a JSON object`);
    return value as Fields;
  };
  let whole: unknown;
  try {
    whole = JSON.parse(text);
  } catch {
    throw unusable('it is not JSON');
  }
  const { auths, credsStore, credHelpers } = objectOf(whole, 'it');
  const helpers = Object.entries(objectOf(credHelpers, '"credHelpers"')).map(([key, value]) => {
    if (typeof value !== 'string') throw unusable(`the helper of ${key} is not a string`);
    return [key, value] as const;
  });
  const entries = Object.entries(objectOf(auths, '"auths"')).map(([key, value]) => {
    const credentials = readEntry(objectOf(value, `the entry of ${key}`));
    if (credentials === undefined) throw unusable(`the "auth" of ${key} is not base64 of USER:PASSWORD`);
    return [key, credentials] as const;
  });
  return {
    auths: new Map(entries),
    credsStore: typeof credsStore === 'string' && credsStore !== '' ? credsStore : undefined,
    credHelpers: new Map(helpers),
  };
}

/** Returns undefined for an unreadable entry, and for an empty one, which helpers leave behind. */
function readEntry(entry: Fields): RegistryCredentials | undefined {
  const text = (key: string) => (typeof entry[key] === 'string' ? entry[key] : '');
  const decoded = Buffer.from(text('auth'), 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (text('auth') !== '' && colon < 1) return undefined;
  const username = colon < 0 ? text('username') : decoded.slice(0, colon);
  // docker pads some passwords with zero bytes.
  const password = colon < 0 ? text('password') : trimEndOf(decoded.slice(colon + 1), '\0');
  return {
    ...(username !== '' && { username, password }),
    ...(text('identitytoken') !== '' && { identityToken: text('identitytoken') }),
    ...(text('registrytoken') !== '' && { registryToken: text('registrytoken') }),
  };
}

/**
 * Returns the keys for the credentials of a repository, most specific first: in an auth.json a key may cover a part of
 * a registry (containers-auth.json(5)); docker.io is stored under its old URL.
 */
export function keysOf(registry: string, repository: string): readonly string[] {
  const parts = [registry, ...repository.split('/').filter(Boolean)];
  const prefixes = parts.map((_, index) => parts.slice(0, parts.length - index).join('/'));
  return registry === 'docker.io' ? [...prefixes, 'index.docker.io', 'registry-1.docker.io'] : prefixes;
}

/** Returns the key in a file that matches `wanted`: `https://host/v1/` matches `host`. */
export function findKey(keys: Iterable<string>, wanted: string): string | undefined {
  const all = [...keys];
  return all.find((key) => key === wanted) ?? all.find((key) => withoutAddress(key) === wanted);
}

function withoutAddress(key: string): string {
  return key.replace(/^https?:\/\//, '').replace(/\/(v[12]\/?)?$/, '');
}
