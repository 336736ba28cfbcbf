import { type Digest, isDigest } from './digest.ts';
import { ManifestInvalidError } from './errors.ts';
import {
  isJsonObject,
  type JsonObject,
  optionalArray,
  optionalObject,
  optionalString,
  optionalStringMap,
  optionalStrings,
  parseJsonObject,
} from './json.ts';

/** Maximum bytes of an image configuration that a client reads; docker's usually have a few kilobytes. */
export const MAX_CONFIG_SIZE = 8 << 20;

/** An image configuration (image-spec, config.md). Fields that are null on the wire are absent. */
export interface ImageConfig {
  readonly os: string;
  /** A GOARCH: amd64, arm64 … */
  readonly architecture: string;
  readonly variant?: string;
  /** RFC 3339, as in the image. */
  readonly created?: string;
  readonly author?: string;
  readonly config: ImageConfigDefaults;
  /** `rootfs.diff_ids`: digests of the uncompressed layers, lowest first. */
  readonly diffIds: readonly Digest[];
  readonly history: readonly ImageConfigHistory[];
}

/** The `config` object: defaults of containers. Fields have their names on the wire. */
export interface ImageConfigDefaults {
  readonly User?: string;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Volumes?: Readonly<Record<string, object>>;
  readonly StopSignal?: string;
  readonly Shell?: readonly string[];
  readonly OnBuild?: readonly string[];
  readonly Healthcheck?: Readonly<Record<string, unknown>>;
}

export interface ImageConfigHistory {
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

const WHAT = 'the image configuration';

/** Parses an OCI or docker image configuration. Throws ManifestInvalidError. */
export function readImageConfig(bytes: Uint8Array): ImageConfig {
  const body = parseJsonObject(bytes, WHAT);
  const variant = optionalString(body, 'variant', WHAT);
  const created = optionalString(body, 'created', WHAT);
  const author = optionalString(body, 'author', WHAT);
  return {
    os: requiredString(body, 'os'),
    architecture: requiredString(body, 'architecture'),
    ...(variant && { variant }),
    ...(created && { created }),
    ...(author && { author }),
    config: readDefaults(optionalObject(body, 'config', WHAT) ?? {}),
    diffIds: readDiffIds(body),
    history: (optionalArray(body, 'history', WHAT) ?? []).map(readHistory),
  };
}

function requiredString(body: JsonObject, key: string): string {
  const value = optionalString(body, key, WHAT);
  if (!value) throw new ManifestInvalidError(`${WHAT}: "${key}" is missing`);
  return value;
}

function readDiffIds(body: JsonObject): readonly Digest[] {
  const rootfs = optionalObject(body, 'rootfs', WHAT);
  if (rootfs === undefined) throw new ManifestInvalidError(`${WHAT}: "rootfs" is missing`);
  if (rootfs.type !== 'layers') throw new ManifestInvalidError(`${WHAT}: "rootfs.type" must be "layers"`);
  return (optionalStrings(rootfs, 'diff_ids', `${WHAT}, rootfs`) ?? []).map((text, position) => {
    if (!isDigest(text)) {
      throw new ManifestInvalidError(`${WHAT}: rootfs.diff_ids[${position}] is not a digest`);
    }
    return text;
  });
}

function readDefaults(config: JsonObject): ImageConfigDefaults {
  const what = `${WHAT}, config`;
  const text = (key: 'User' | 'WorkingDir' | 'StopSignal') => {
    const value = optionalString(config, key, what);
    return value === undefined ? {} : { [key]: value };
  };
  const list = (key: 'Env' | 'Entrypoint' | 'Cmd' | 'Shell' | 'OnBuild') => {
    const value = optionalStrings(config, key, what);
    return value === undefined ? {} : { [key]: value };
  };
  const set = (key: 'ExposedPorts' | 'Volumes') => {
    const value = optionalObject(config, key, what);
    // The members carry no data, and some builders write null for them.
    return value === undefined
      ? {}
      : { [key]: Object.fromEntries(Object.keys(value).map((name) => [name, {}])) };
  };
  const labels = optionalStringMap(config, 'Labels', what);
  const healthcheck = optionalObject(config, 'Healthcheck', what);
  return {
    ...text('User'),
    ...list('Env'),
    ...list('Entrypoint'),
    ...list('Cmd'),
    ...text('WorkingDir'),
    ...(labels && { Labels: labels }),
    ...set('ExposedPorts'),
    ...set('Volumes'),
    ...text('StopSignal'),
    ...list('Shell'),
    ...list('OnBuild'),
    ...(healthcheck && { Healthcheck: healthcheck }),
  };
}

function readHistory(value: unknown, position: number): ImageConfigHistory {
  const what = `${WHAT}, history[${position}]`;
  if (!isJsonObject(value)) throw new ManifestInvalidError(`${what} must be an object`);
  const text = (key: 'created' | 'created_by' | 'author' | 'comment') => {
    const found = optionalString(value, key, what);
    return found === undefined ? {} : { [key]: found };
  };
  const emptyLayer = value.empty_layer ?? false;
  if (typeof emptyLayer !== 'boolean') {
    throw new ManifestInvalidError(`${what}: "empty_layer" must be true or false`);
  }
  return {
    ...text('created'),
    ...text('created_by'),
    ...text('author'),
    ...text('comment'),
    ...(emptyLayer && { empty_layer: true }),
  };
}
