import { EngineError } from '../errors.ts';

/** The Engine API version of this agent, and the oldest that it accepts. */
export const API_VERSION = '1.45';
export const MIN_API_VERSION = '1.24';

export interface VersionedPath {
  /** The version that the client requested, API_VERSION by default. */
  readonly version: string;
  /** The path without its version prefix; starts with a slash. */
  readonly path: string;
}

/**
 * Splits `/v1.45/containers/json`. A path without a prefix belongs to the newest version. Throws EngineError
 * 'bad-request' for versions outside 1.24 .. 1.45, in dockerd's words.
 */
export function splitVersion(path: string): VersionedPath {
  const match = /^\/v(\d+)\.(\d+)(\/.*)?$/.exec(path);
  if (match === null) return { version: API_VERSION, path };
  const version = `${match[1]}.${match[2]}`;
  if (compare(version, API_VERSION) > 0) {
    throw new EngineError(
      'bad-request',
      `client version ${version} is too new. Maximum supported API version is ${API_VERSION}`,
    );
  }
  if (compare(version, MIN_API_VERSION) < 0) {
    throw new EngineError(
      'bad-request',
      `client version ${version} is too old. Minimum supported API version is ${MIN_API_VERSION}, please upgrade your client to a newer version`,
    );
  }
  return { version, path: match[3] ?? '/' };
}

const CONTAINERS = '/containers/';
/** Path segments that may follow the name of a container. */
const OF_CONTAINERS: ReadonlySet<string> = new Set([
  ...['json', 'top', 'logs', 'changes', 'export', 'stats', 'resize', 'start', 'stop', 'restart', 'kill'],
  ...['update', 'rename', 'pause', 'unpause', 'attach', 'wait', 'archive', 'exec'],
]);

/**
 * Escapes the slashes in a container's name, so that routes see one segment: clients send the name of a link unescaped.
 */
export function escapeContainerName(path: string): string {
  const end = path.lastIndexOf('/');
  const isNamed = path.startsWith(CONTAINERS) && end > CONTAINERS.length;
  if (!isNamed || !OF_CONTAINERS.has(path.slice(end + 1))) return path;
  const name = path.slice(CONTAINERS.length, end);
  return `${CONTAINERS}${name.replaceAll('/', '%2F')}${path.slice(end)}`;
}

/** Returns a value below 0 if `a` is older. */
function compare(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number);
  const [majorB = 0, minorB = 0] = b.split('.').map(Number);
  return majorA - majorB || minorA - minorB;
}

/** Reports whether a client uses an Engine API before `version`, whose answers have other fields. */
export function asksBefore(ctx: { readonly state: Record<string, unknown> }, version: string): boolean {
  const { apiVersion } = ctx.state;
  return typeof apiVersion === 'string' && compare(apiVersion, version) < 0;
}

/** Returns the headers of every answer: clients take the API version from them (Engine API, "Versioning"). */
export function engineHeaders(version: string): Readonly<Record<string, string>> {
  return {
    'Api-Version': API_VERSION,
    Ostype: 'linux',
    'Docker-Experimental': 'false',
    Server: `Berth/${version} (linux)`,
  };
}
